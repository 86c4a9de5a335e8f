// Fault model: a storage server dies (its connections reset), hangs (no answer, not even to pings), refuses, or loses
// answers. The writer must get no error, lose no byte and stall as little as stated; without any server it gets an
// error after the stall limit, once.
#include "tests/unit/client/fake_cluster.h"

namespace vcfs::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class FailoverTest : public ::testing::Test {
 protected:
  void start(ClusterOptions options = {}) {
    cluster = fake.connect(std::move(options));
    OpenMode mode;
    mode.write = true;
    file = fake.run(cluster->openPath("a", mode, true));
  }
  void write(std::uint64_t offset, const std::string& text) { fake.run(file->write(offset, bytesOf(text))); }
  Duration flush() {
    const TimePoint before = fake.clock.now();
    fake.run(file->flush());
    return fake.clock.now() - before;
  }
  // With "hello" on both servers and " world" under way: the primary dies, and there is no tracker to tell.
  void loseServerAndTracker() {
    start();
    write(0, "hello");
    flush();
    fake.killTracker(0);
    fake.killStorage(1);
    write(5, " world");
  }

  FakeCluster fake;
  std::shared_ptr<Cluster> cluster;
  std::shared_ptr<File> file;
};

// How long the answer to a sync is waited for: two thirds of the stall limit, to leave time for another primary.
constexpr Duration kSyncLimit = seconds(20);
constexpr std::size_t kTwelve = 12u << 20;  // in requests of 1 MiB

ClusterOptions manyAtOnce() {
  ClusterOptions options;
  options.sendWindow = 32u << 20;
  return options;
}

TEST_F(FailoverTest, a_server_whose_address_the_tracker_does_not_know_yet_is_asked_for_again) {
  cluster = fake.connect({});
  Entry entry = fake.makeFile("b", "old", FileState::closed);
  for (Replica& replica : entry.layout.replicas) replica.address.clear();
  OpenMode mode;
  mode.write = true;
  file = fake.run(cluster->open(entry, mode));
  EXPECT_EQ(fake.run(file->read(0, 10)).size(), 1u);
  write(3, " and new");
  flush();
  EXPECT_EQ(fake.bytes(1, file->inode()), "old and new");
  EXPECT_EQ(fake.file(file->inode()).layout.epoch, 1u) << "no server was reported";
}

// A network without its name server.
class Nameless final : public Transport {
 public:
  explicit Nameless(Transport& other) : other_(other) {}
  Task<std::unique_ptr<Link>> connect(std::string address, Duration limit) override {
    if (!nameless.empty() && address.starts_with(nameless)) throw Error(Errc::timeout, "no answer", Error::Unasked{});
    return other_.connect(std::move(address), limit);
  }
  std::unique_ptr<Listener> listen(std::string, std::function<void(std::unique_ptr<Link>)>) override { return nullptr; }
  std::string nameless = "storage";  // whose names begin so

 private:
  Transport& other_;
};

class NamelessTest : public FailoverTest {
 protected:
  void startNameless() {
    cluster = fake.run(Cluster::connect(runtime, fake.options()));
    OpenMode mode;
    mode.write = true;
    file = fake.run(cluster->openPath("a", mode, true));
    write(0, "hello");
  }
  void TearDown() override {
    fake.run(file->close());
    file.reset();
    fake.run(cluster->shutdown());
    cluster.reset();
    fake.advance(seconds(1));
  }
  Nameless transport{fake.clientTransport};
  Runtime runtime{fake.io, fake.clock, transport, std::mt19937_64(7)};
};

TEST_F(NamelessTest, a_server_whose_name_cannot_be_looked_up_is_not_lost_while_a_tracker_hears_it) {
  startNameless();
  fake.advance(seconds(5));
  EXPECT_EQ(fake.tracker().reports, 0);
  transport.nameless = "";
  EXPECT_LT(flush(), seconds(1));
  EXPECT_EQ(fake.bytes(1, file->inode()), "hello");
  EXPECT_EQ(fake.file(file->inode()).layout.epoch, 1u);
}

TEST_F(NamelessTest, one_whose_name_went_with_it_is_replaced) {
  transport.nameless = "storage1";
  fake.killStorage(1);
  startNameless();
  EXPECT_LT(flush(), seconds(1));
  EXPECT_EQ(fake.tracker().reports, 0);
  EXPECT_EQ(fake.bytes(2, file->inode()), "hello");
  EXPECT_EQ(fake.file(file->inode()).layout.epoch, 2u);
}

TEST_F(FailoverTest, an_address_that_is_none_is_an_error) {
  cluster = fake.connect({});
  Entry entry = fake.makeFile("b", "old", FileState::closed);
  for (Replica& replica : entry.layout.replicas) replica.address = "nonsense";
  for (auto& replica : fake.file(entry.attr.inode).layout.replicas) replica.address = "nonsense";
  OpenMode mode;
  mode.write = true;
  EXPECT_THROW(fake.run(cluster->open(entry, mode)), Error);
}

TEST_F(FailoverTest, primary_killed_between_writes_costs_milliseconds_and_no_byte) {
  start();
  write(0, "hello ");
  flush();
  fake.killStorage(1);
  write(6, "world");
  EXPECT_LT(flush(), milliseconds(20));
  EXPECT_EQ(fake.bytes(2, file->inode()), "hello world");
  EXPECT_EQ(fake.file(file->inode()).layout.epoch, 2u);
}

TEST_F(FailoverTest, primary_killed_with_writes_under_way_replays_them) {
  start();
  fake.storage(1).silent = true;  // executes on both, answers nobody
  for (int i = 0; i < 4; ++i)
    write(static_cast<std::uint64_t>(i) << 20, std::string(1 << 20, static_cast<char>('a' + i)));
  fake.advance(milliseconds(60));
  fake.killStorage(1);
  EXPECT_LT(flush(), milliseconds(20));
  const std::string& bytes = fake.bytes(2, file->inode());
  ASSERT_EQ(bytes.size(), 4u << 20);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(bytes[static_cast<std::size_t>(i) << 20], static_cast<char>('a' + i));
}

TEST_F(FailoverTest, primary_that_hangs_is_replaced_in_a_second_and_a_half) {
  start();
  write(0, "hello");
  flush();
  fake.storage(1).hanging = true;
  write(5, " world");
  EXPECT_LT(flush(), milliseconds(1600));
  EXPECT_EQ(fake.bytes(2, file->inode()), "hello world");
}

TEST_F(FailoverTest, primary_that_is_cut_off_is_replaced_in_a_second_and_a_half) {
  start();
  write(0, "hello");
  flush();
  fake.network.cut("client", "storage1");
  fake.network.cut("storage1", "client");
  write(5, " world");
  EXPECT_LT(flush(), milliseconds(1600));
  EXPECT_EQ(fake.bytes(2, file->inode()), "hello world");
}

TEST_F(FailoverTest, primary_whose_disk_hangs_is_replaced_after_the_request_limit) {
  ClusterOptions options;
  options.requestLimit = seconds(2);
  start(options);
  write(0, "hello");
  flush();
  fake.storage(1).silent = true;
  write(5, " world");
  EXPECT_LT(flush(), milliseconds(2200));
  EXPECT_EQ(fake.bytes(2, file->inode()), "hello world");
}

// What sync() finds to send takes the sync along: the answer is that of a sync.
TEST_F(FailoverTest, primary_whose_disk_is_long_in_syncing_is_kept) {
  ClusterOptions options;
  options.requestLimit = seconds(2);
  start(options);
  write(0, "hello");
  flush();
  fake.storage(1).silent = true;
  write(5, " world");
  bool over = false;
  std::exception_ptr failure;
  asio::co_spawn(fake.io, file->sync(), [&](std::exception_ptr error) { failure = error, over = true; });
  ASSERT_TRUE(fake.until([&] { return fake.storage(1).syncs == 1; }));
  ASSERT_EQ(fake.storage(1).writes, 2) << "the sync is one of its own";
  fake.advance(kSyncLimit - milliseconds(100));
  EXPECT_EQ(fake.tracker().reports, 0);
  EXPECT_EQ(fake.storage(2).syncs, 0);
  EXPECT_TRUE(fake.until([&] { return over; }, milliseconds(200)));
  EXPECT_FALSE(failure);
  EXPECT_EQ(fake.storage(2).syncs, 1) << "another primary has done it";
  EXPECT_EQ(fake.tracker().reports, 1);
}

TEST_F(FailoverTest, a_sync_by_itself_goes_to_another_primary_as_well) {
  start();
  write(0, "hello");
  flush();
  fake.storage(1).silent = true;
  EXPECT_EQ(fake.failure(file->sync()), Errc::ok);
  EXPECT_EQ(fake.storage(2).syncs, 1);
}

TEST_F(FailoverTest, with_every_disk_hanging_in_a_sync_its_caller_is_told_after_two_of_its_limits) {
  start();
  write(0, "hello");
  flush();
  fake.storage(1).silent = fake.storage(2).silent = true;
  const TimePoint before = fake.clock.now();
  EXPECT_EQ(fake.failure(file->sync()), Errc::unavailable);
  EXPECT_LT(fake.clock.now() - before, 2 * kSyncLimit + milliseconds(100));
}

TEST_F(FailoverTest, with_every_disk_hanging_a_writer_is_told_at_the_stall_limit) {
  ClusterOptions options;
  options.stallLimit = seconds(2);
  start(options);
  write(0, "hello");
  flush();
  fake.storage(1).silent = fake.storage(2).silent = true;
  write(5, " world");
  const TimePoint before = fake.clock.now();
  EXPECT_EQ(fake.failure(file->flush()), Errc::unavailable);
  EXPECT_LT(fake.clock.now() - before, seconds(2) + milliseconds(10));
}

TEST_F(FailoverTest, another_clients_failover_is_learnt_from_the_answer) {
  start();
  write(0, "hello");
  flush();
  fake.fail(file->inode(), 1, 1);
  write(5, " world");
  EXPECT_LT(flush(), milliseconds(5));
  EXPECT_EQ(fake.tracker().reports, 0);
  EXPECT_EQ(fake.bytes(2, file->inode()), "hello world");
}

TEST_F(FailoverTest, primary_with_a_broken_disk_is_replaced_without_an_error) {
  start();
  fake.storage(1).refuse = Errc::io;
  write(0, "hello");
  flush();
  EXPECT_EQ(fake.bytes(2, file->inode()), "hello");
}

TEST_F(FailoverTest, when_every_disk_is_full_the_writer_is_told_once) {
  start();
  fake.storage(1).refuse = Errc::noSpace;
  write(0, "hello");
  EXPECT_EQ(fake.failure(file->flush()), Errc::noSpace);
  EXPECT_EQ(fake.failure(file->flush()), Errc::ok);
  EXPECT_EQ(fake.tracker().reports, 0) << "the primary is not lost";
}

// Requests of 1 MiB, more of them than are sent at once: those that leave after the refusal was heard were made before
// it.
TEST_F(FailoverTest, servers_can_tell_what_was_written_by_a_program_that_did_not_know_of_a_refusal) {
  start(manyAtOnce());
  fake.storage(1).refuse = Errc::noSpace;
  fake.storage(1).refusals = 1;
  write(0, std::string(kTwelve, 'x'));
  EXPECT_EQ(fake.failure(file->flush()), Errc::noSpace);
  ASSERT_EQ(fake.storage(1).writeFirsts.size(), 12u);
  EXPECT_EQ(fake.storage(1).writeFirsts.back(), fake.storage(1).writeFirsts.front());
  write(0, "HELLO");
  flush();
  EXPECT_EQ(fake.storage(1).writeFirsts.back(), fake.storage(1).writeFirsts.front() + 12);
}

TEST_F(FailoverTest, a_primary_that_is_new_is_not_asked_about_a_refusal_that_it_did_not_see) {
  start(manyAtOnce());
  fake.storage(1).refuse = Errc::noSpace;
  fake.storage(1).refusals = 1;
  fake.storage(1).silent = true;
  write(0, std::string(kTwelve, 'x'));
  ASSERT_TRUE(fake.until([&] { return fake.storage(1).writes == 9; })) << "eight at once, and one for that refused";
  fake.killStorage(1);
  EXPECT_EQ(fake.failure(file->flush()), Errc::noSpace);
  ASSERT_FALSE(fake.storage(2).writeFirsts.empty());
  EXPECT_EQ(fake.storage(2).writeFirsts.front(), fake.storage(1).writeFirsts.front() + 1);
}

TEST_F(FailoverTest, an_overloaded_primary_is_asked_again) {
  start();
  fake.storage(1).refuse = Errc::overloaded;
  fake.storage(1).refusals = 3;
  write(0, "hello");
  EXPECT_LT(flush(), milliseconds(100));
  EXPECT_EQ(fake.bytes(1, file->inode()), "hello");
  EXPECT_EQ(fake.file(file->inode()).layout.epoch, 1u);
}

TEST_F(FailoverTest, with_every_replica_away_write_fails_after_the_stall_limit_once) {
  ClusterOptions options;
  options.stallLimit = seconds(5);
  start(options);
  write(0, "hello");
  flush();
  fake.killStorage(1);
  fake.killStorage(2);
  write(5, " world");
  const TimePoint before = fake.clock.now();
  EXPECT_EQ(fake.failure(file->flush()), Errc::unavailable);
  EXPECT_LT(fake.clock.now() - before, seconds(5) + milliseconds(10));
  EXPECT_EQ(fake.failure(file->flush()), Errc::ok) << "told once";
}

TEST_F(FailoverTest, with_every_replica_hanging_each_call_ends_at_its_own_stall_limit) {
  ClusterOptions options;
  options.stallLimit = seconds(5);
  start(options);
  write(0, "hello");
  flush();
  fake.storage(1).hanging = fake.storage(2).hanging = true;
  write(5, " world");
  const TimePoint before = fake.clock.now();
  bool told = false;
  auto later = fake.clock.callAt(before + milliseconds(900), [&] {
    asio::co_spawn(fake.io, file->truncate(3), [&](std::exception_ptr error) { told = error != nullptr; });
  });
  EXPECT_EQ(fake.failure(file->flush()), Errc::unavailable);
  EXPECT_LT(fake.clock.now() - before, seconds(5) + milliseconds(10)) << "an attempt to connect was under way";
  EXPECT_TRUE(fake.until([&] { return told; }, seconds(1)));
}

TEST_F(FailoverTest, replicas_that_come_back_within_the_stall_limit_go_on) {
  start();
  write(0, "hello");
  flush();
  fake.killStorage(1);
  fake.killStorage(2);
  write(5, " world");
  auto timer = fake.clock.callAt(fake.clock.now() + seconds(20), [&] {
    fake.startStorage(1);
    fake.startStorage(2);
  });
  EXPECT_EQ(fake.failure(file->close()), Errc::ok);
  EXPECT_EQ(fake.bytes(2, file->inode()), "hello world");
}

TEST_F(FailoverTest, without_trackers_an_open_file_is_written_and_closed) {
  start();
  write(0, "hello");
  flush();
  fake.killTracker(0);
  write(5, " world");
  EXPECT_EQ(fake.failure(file->close()), Errc::ok);
  EXPECT_EQ(fake.bytes(1, file->inode()), "hello world");
}

TEST_F(FailoverTest, without_trackers_a_restarted_primary_is_found_again) {
  start();
  write(0, "hello");
  flush();
  fake.killTracker(0);
  fake.killStorage(1);
  auto timer = fake.clock.callAt(fake.clock.now() + seconds(3), [&] { fake.startStorage(1); });
  write(5, " world");
  EXPECT_EQ(fake.failure(file->flush()), Errc::ok);
  EXPECT_EQ(fake.bytes(1, file->inode()), "hello world");
}

TEST_F(FailoverTest, a_server_that_came_back_while_no_tracker_could_be_told_is_not_reported) {
  loseServerAndTracker();
  fake.advance(seconds(1));
  fake.startStorage(1);
  fake.advance(milliseconds(1500));
  fake.startTracker(0);
  EXPECT_EQ(fake.failure(file->flush()), Errc::ok);
  fake.advance(seconds(10));
  EXPECT_EQ(fake.tracker().reports, 0);
  EXPECT_EQ(fake.file(file->inode()).layout.epoch, 1u);
  EXPECT_EQ(fake.bytes(1, file->inode()), "hello world");
}

TEST_F(FailoverTest, a_server_that_is_still_away_is_reported_when_a_tracker_is_back) {
  loseServerAndTracker();
  fake.advance(seconds(5));
  fake.startTracker(0);
  EXPECT_LT(flush(), seconds(1));
  EXPECT_EQ(fake.bytes(2, file->inode()), "hello world");
  EXPECT_EQ(fake.file(file->inode()).layout.epoch, 2u);
}

TEST_F(FailoverTest, an_idle_writer_moves_its_lease_to_the_new_primary) {
  start();
  write(0, "hello");
  flush();
  fake.killStorage(1);
  EXPECT_TRUE(fake.until([&] { return fake.storage(2).opens == 1; }, seconds(1)));
}

TEST_F(FailoverTest, an_idle_writer_follows_a_change_of_primary_that_it_is_told_of) {
  start();
  write(0, "hello");
  flush();
  fake.fail(file->inode(), 1, 1);
  Change change;
  change.inode = file->inode();
  fake.tell(change);
  EXPECT_TRUE(fake.until([&] { return fake.storage(2).opens == 1; }, seconds(1)));
}

// The former primary lives, and its connection does: nothing but the layout tells.
TEST_F(FailoverTest, an_idle_writer_follows_a_change_of_primary_that_another_user_of_the_file_has_learnt_of) {
  start();
  write(0, "hello");
  flush();
  fake.fail(file->inode(), 1, 1);
  auto reader = fake.run(cluster->openPath("a", OpenMode{}, false));
  EXPECT_TRUE(fake.until([&] { return fake.storage(2).opens == 1; }, seconds(5)));
}

TEST_F(FailoverTest, so_it_does_at_once_when_it_is_told_of_the_change_after_that) {
  start();
  write(0, "hello");
  flush();
  fake.fail(file->inode(), 1, 1);
  auto reader = fake.run(cluster->openPath("a", OpenMode{}, false));
  Change change;
  change.inode = file->inode();
  fake.tell(change);
  EXPECT_TRUE(fake.until([&] { return fake.storage(2).opens == 1; }, milliseconds(100)));
}

TEST_F(FailoverTest, many_files_of_a_dead_server_are_reported_in_one_call) {
  start();
  std::vector<std::shared_ptr<File>> files;
  OpenMode mode;
  mode.write = true;
  for (int i = 0; i < 100; ++i) {
    files.push_back(fake.run(cluster->openPath("f" + std::to_string(i), mode, true)));
    fake.run(files.back()->write(0, bytesOf("x")));
  }
  for (auto& f : files) fake.run(f->flush());
  fake.killStorage(1);
  for (auto& f : files) fake.run(f->write(1, bytesOf("y")));
  for (auto& f : files) fake.run(f->flush());
  for (auto& f : files) EXPECT_EQ(fake.bytes(2, f->inode()), "xy");
  EXPECT_GE(fake.tracker().reports, 100);
  EXPECT_LE(fake.tracker().reportCalls, 3);
}

TEST_F(FailoverTest, a_truncate_survives_a_failover_in_its_place) {
  start();
  write(0, "hello world");
  flush();
  fake.storage(1).silent = true;
  asio::co_spawn(fake.io, file->truncate(5), asio::detached);
  fake.advance(milliseconds(10));
  write(5, "!");
  fake.killStorage(1);
  flush();
  EXPECT_EQ(fake.bytes(2, file->inode()), "hello!");
}

TEST_F(FailoverTest, close_survives_a_failover) {
  start();
  write(0, "hello");
  fake.storage(1).silent = true;
  auto timer = fake.clock.callAt(fake.clock.now() + milliseconds(100), [&] { fake.killStorage(1); });
  EXPECT_EQ(fake.failure(file->close()), Errc::ok);
  EXPECT_EQ(fake.bytes(2, file->inode()), "hello");
  EXPECT_EQ(fake.file(file->inode()).attr.state, FileState::closed);
}

TEST_F(FailoverTest, attributes_of_an_open_file_survive_its_primary) {
  start();
  write(0, "hello");
  flush();
  fake.killStorage(1);
  EXPECT_EQ(fake.run(file->stat()).size, 5u);
}

TEST_F(FailoverTest, the_memory_of_failed_writes_is_given_back) {
  ClusterOptions options;
  options.stallLimit = milliseconds(500);
  options.sendWindow = 1 << 20;
  options.sendWindowTotal = 4 << 20;
  start(options);
  fake.killStorage(1);
  fake.killStorage(2);
  for (int round = 0; round < 8; ++round) {
    const std::string text(1 << 20, 'x');
    fake.failure(file->write(0, bytesOf(text)));
    fake.failure(file->flush());
  }
  fake.startStorage(1);
  fake.startStorage(2);
  write(0, std::string(3 << 20, 'y'));
  EXPECT_EQ(fake.failure(file->close()), Errc::ok);
  EXPECT_EQ(fake.bytes(2, file->inode()), std::string(3 << 20, 'y'));
}

}  // namespace
}  // namespace vcfs::client
