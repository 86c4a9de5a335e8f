// How long reads wait: for the next server when one says nothing, and in all when every server is away.
// Fault model: servers are cut off (nothing gets through, nobody is told), hang (connections are taken, nothing is
// answered), or have disks that hang (pings are answered, requests are not).
#include "client/src/storage_pool.h"
#include "tests/unit/client/fake_cluster.h"

namespace vcfs::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ReadLimitsTest : public ::testing::Test {
 protected:
  ReadLimitsTest() { options.stallLimit = milliseconds(1500); }
  void TearDown() override { fake.advance(options.connectLimit); }  // attempts that nobody waits for end

  // Its first choice is server 1.
  Entry sealed(const std::string& name, const std::string& bytes = "hello") {
    Entry entry = fake.makeFile(name, bytes, FileState::closed);
    const auto first = static_cast<std::ptrdiff_t>(entry.attr.inode % entry.layout.replicas.size());
    std::rotate(entry.layout.replicas.begin(), entry.layout.replicas.end() - first, entry.layout.replicas.end());
    return entry;
  }
  std::shared_ptr<File> open(const Entry& entry) {
    if (!cluster) cluster = fake.connect(options);
    return fake.run(cluster->open(entry, OpenMode{}));
  }
  void cutOff(StorageId id) {
    fake.network.cut("client", fake.storage(id).host);
    fake.network.cut(fake.storage(id).host, "client");
  }
  void cutAllOff() {
    for (auto& storage : fake.storages) cutOff(storage->id);
  }
  // How long a read takes that succeeds.
  Duration timeToRead(File& file) {
    const TimePoint before = fake.clock.now();
    EXPECT_EQ(textOf(fake.run(file.read(0, 5))), "hello");
    return fake.clock.now() - before;
  }
  // What a read is told that fails, and that it is told so in time.
  std::string failure(File& file, std::size_t length) {
    const TimePoint before = fake.clock.now();
    std::string told = "nothing";
    try {
      fake.run(file.read(0, length));
    } catch (const Error& error) {
      told = error.what();
    }
    EXPECT_NE(told, "nothing");
    EXPECT_LE(fake.clock.now() - before, options.stallLimit + milliseconds(1));
    return told;
  }

  FakeCluster fake{3};
  ClusterOptions options;
  std::shared_ptr<Cluster> cluster;
};

TEST_F(ReadLimitsTest, a_read_of_a_sealed_file_with_all_servers_cut_off_ends_at_the_stall_limit) {
  auto file = open(sealed("a"));
  cutAllOff();
  EXPECT_NE(failure(*file, 5).find("cannot be reached"), std::string::npos);
}

TEST_F(ReadLimitsTest, it_does_so_before_an_attempt_to_connect_is_over) {
  options.stallLimit = milliseconds(300);
  auto file = open(sealed("a"));
  cutAllOff();
  EXPECT_NE(failure(*file, 5).find("no answer in time from storage"), std::string::npos);
}

TEST_F(ReadLimitsTest, what_is_read_ahead_is_not_waited_for_a_second_time) {
  auto file = open(sealed("a", std::string(3 << 20, 'a')));
  cutAllOff();
  failure(*file, 200'000);
}

TEST_F(ReadLimitsTest, what_a_kernel_asks_for_again_when_it_was_told_fails_at_once_and_a_later_read_waits_anew) {
  auto file = open(sealed("a"));
  cutAllOff();
  failure(*file, 5);
  TimePoint before = fake.clock.now();
  failure(*file, 5);
  EXPECT_EQ(fake.clock.now(), before);
  fake.advance(milliseconds(200));
  before = fake.clock.now();
  failure(*file, 5);
  EXPECT_GE(fake.clock.now() - before, options.stallLimit);
}

TEST_F(ReadLimitsTest, a_read_from_servers_whose_disks_hang_ends_at_the_stall_limit) {
  auto file = open(sealed("a"));
  for (auto& storage : fake.storages) storage->silent = true;
  failure(*file, 5);
}

TEST_F(ReadLimitsTest, other_calls_at_a_primary_whose_disk_hangs_end_at_the_stall_limit_too) {
  auto file = open(fake.makeFile("a", "hello", FileState::open));
  for (auto& storage : fake.storages) storage->silent = true;
  const TimePoint before = fake.clock.now();
  try {
    fake.run(file->stat());
  } catch (const Error&) {
    // Whether the catalog's attributes do is not the matter here.
  }
  const Duration took = fake.clock.now() - before;
  EXPECT_GE(took, options.stallLimit) << "nobody was asked";
  EXPECT_LE(took, options.stallLimit + milliseconds(1));
}

TEST_F(ReadLimitsTest, one_whose_deadline_is_over_before_anything_was_heard_says_so) {
  options.stallLimit = milliseconds(300);
  auto file = open(fake.makeFile("a", "hello", FileState::open));
  cutAllOff();
  EXPECT_NE(failure(*file, 5).find("(none has answered)"), std::string::npos);
}

TEST_F(ReadLimitsTest, a_server_that_is_cut_off_keeps_no_reader_from_the_next_one) {
  auto file = open(sealed("a"));
  cutOff(1);
  EXPECT_LE(timeToRead(*file), milliseconds(210));
}

TEST_F(ReadLimitsTest, nor_do_two_that_hang_from_the_third) {
  auto file = open(sealed("a"));
  fake.network.stop(fake.storage(1).host);
  fake.storage(2).hanging = true;
  EXPECT_LE(timeToRead(*file), milliseconds(410));
}

TEST_F(ReadLimitsTest, nor_one_that_says_that_it_is_only_being_started) {
  auto file = open(sealed("a"));
  fake.storage(1).refuseReads = Errc::unavailable;
  EXPECT_LE(timeToRead(*file), milliseconds(1));
  EXPECT_EQ(fake.storage(1).reads, 1);
  timeToRead(*file);
  EXPECT_EQ(fake.storage(1).reads, 1) << "asked again though another one does";
}

TEST_F(ReadLimitsTest, while_none_has_the_time_they_are_asked_again_and_again_with_pauses) {
  auto file = open(sealed("a"));
  for (auto& storage : fake.storages) storage->refuseReads = Errc::overloaded;
  auto timer = fake.clock.callAt(fake.clock.now() + seconds(1), [&] { fake.storage(3).refuseReads = Errc::ok; });
  EXPECT_LE(timeToRead(*file), seconds(2));
  EXPECT_LE(fake.storage(1).reads + fake.storage(2).reads + fake.storage(3).reads, 40);
}

TEST_F(ReadLimitsTest, who_comes_while_it_is_being_asked_already_waits_less) {
  auto first = open(sealed("a"));
  auto second = open(sealed("b"));
  cutOff(1);
  timeToRead(*first);
  fake.advance(milliseconds(100));
  EXPECT_LE(timeToRead(*second), milliseconds(10));
}

TEST_F(ReadLimitsTest, the_first_server_is_the_first_choice_though_others_are_connected) {
  open(fake.makeFile("a", "hello", FileState::closed));
  for (int i = 0; i < 2; ++i) {
    auto file = open(sealed("f" + std::to_string(i)));
    timeToRead(*file);
  }
  EXPECT_EQ(fake.storage(1).reads, 2);
}

TEST_F(ReadLimitsTest, an_attempt_to_connect_goes_on_when_one_who_waited_for_it_has_left) {
  auto pool = std::make_shared<StoragePool>(fake.runtime, options, 7);
  fake.network.setDelay([](const auto&, const auto&) { return milliseconds(100); });
  const auto get = [&](Duration patience) {
    std::vector<Replica> servers{Replica{1, ReplicaState::inSync, fake.storage(1).address}};
    return pool->get(std::move(servers), fake.clock.now() + patience);
  };
  EXPECT_THROW(fake.run(get(milliseconds(150))), Error);
  const TimePoint before = fake.clock.now();
  EXPECT_EQ(fake.run(get(seconds(5)))->id, 1u);
  EXPECT_LE(fake.clock.now() - before, milliseconds(260)) << "two round trips, and 150 ms of them were over";
  pool->stop();
}

}  // namespace
}  // namespace vcfs::client
