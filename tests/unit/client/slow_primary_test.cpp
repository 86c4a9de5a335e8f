// Fault model: the way to the primary becomes slow and carries little; pings are answered late, calls much later or not
// at all. The writer goes on at another replica, if that is what helps.
#include "client/src/core/pace.h"
#include "tests/unit/client/fake_cluster.h"

namespace vcfs::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(PaceTest, a_megabyte_within_about_a_second_is_busy) {
  Pace pace;
  TimePoint now{};
  std::uint64_t arrived = 0;
  const auto carry = [&](std::uint64_t bytes) { pace.note(now = now + milliseconds(250), arrived += bytes); };
  pace.note(now, arrived);
  EXPECT_FALSE(pace.busy());
  for (int i = 0; i < 20; ++i) carry(200'000);
  EXPECT_FALSE(pace.busy());
  for (int i = 0; i < 5; ++i) carry(300'000);
  EXPECT_TRUE(pace.busy());
  for (int i = 0; i < 5; ++i) carry(0);
  EXPECT_FALSE(pace.busy());
}

class SlowPrimaryTest : public ::testing::Test {
 protected:
  SlowPrimaryTest() {
    cluster = fake.connect({});
    OpenMode mode;
    mode.write = true;
    file = fake.run(cluster->openPath("a", mode, true));
    write(0, "hello");
    flush();
  }
  void write(std::uint64_t offset, const std::string& text) { fake.run(file->write(offset, bytesOf(text))); }
  Duration flush() {
    const TimePoint before = fake.clock.now();
    fake.run(file->flush());
    return fake.clock.now() - before;
  }
  void slow(const std::string& host) {
    fake.network.setDelay([host](const std::string& from, const std::string& to) -> Duration {
      const bool concerned = host.empty() || from == host || to == host;
      return concerned ? milliseconds(150) : milliseconds(0);
    });
  }
  Epoch epoch() { return fake.file(file->inode()).layout.epoch; }
  void wait(Duration duration) {
    fake.until([] { return false; }, duration);
  }

  FakeCluster fake;
  std::shared_ptr<Cluster> cluster;
  std::shared_ptr<File> file;
};

TEST_F(SlowPrimaryTest, it_is_left_when_an_answer_is_late_as_well) {
  fake.storage(1).silent = true;
  slow("storage1");
  write(5, " world");
  EXPECT_LT(flush(), milliseconds(1400));
  EXPECT_EQ(fake.bytes(2, file->inode()), "hello world");
  EXPECT_EQ(epoch(), 2u);
}

TEST_F(SlowPrimaryTest, it_is_kept_while_it_answers_in_time) {
  slow("storage1");
  for (int i = 0; i < 10; ++i) {
    write(5, " world");
    EXPECT_LT(flush(), milliseconds(400));
  }
  EXPECT_EQ(epoch(), 1u);
}

TEST_F(SlowPrimaryTest, it_is_kept_when_this_host_is_far_from_the_tracker_as_well) {
  fake.storage(1).silent = true;
  slow("");
  write(5, " world");
  wait(seconds(5));
  EXPECT_EQ(epoch(), 1u);
}

TEST_F(SlowPrimaryTest, it_is_kept_when_the_other_one_does_not_answer_at_all) {
  fake.storage(1).silent = true;
  slow("storage1");
  fake.network.cut("client", "storage2");
  write(5, " world");
  wait(seconds(5));
  EXPECT_EQ(epoch(), 1u);
  EXPECT_EQ(fake.tracker().reports, 0);
}

TEST_F(SlowPrimaryTest, a_server_that_is_late_itself_is_not_a_slow_cable) {
  fake.storage(1).silent = true;
  fake.storage(1).pongAfter = milliseconds(300);
  write(5, " world");
  wait(seconds(5));
  EXPECT_EQ(epoch(), 1u);
}

TEST_F(SlowPrimaryTest, it_is_kept_while_much_gets_through) {
  fake.storage(1).silent = true;
  slow("storage1");
  for (std::uint64_t i = 0; i < 7; ++i) {
    write(5 + (i << 20), std::string(1 << 20, 'x'));
    wait(milliseconds(500));
  }
  EXPECT_EQ(epoch(), 1u);
  fake.until([&] { return epoch() == 2; }, seconds(2));
  EXPECT_EQ(epoch(), 2u) << "nothing gets through any more";
}

TEST_F(SlowPrimaryTest, one_that_turns_out_to_be_alone_in_sync_is_kept_and_nothing_is_sent_twice) {
  fake.storage(1).silent = true;
  slow("storage1");
  write(5, " world");
  wait(milliseconds(400));
  ASSERT_EQ(fake.storage(1).writes, 2);
  Layout& layout = fake.file(file->inode()).layout;
  layout.replicas[1].state = ReplicaState::stale;
  layout.epoch = 2;
  wait(seconds(5));
  EXPECT_EQ(fake.tracker().reports, 1);
  EXPECT_EQ(fake.storage(1).writes, 2);
}

}  // namespace
}  // namespace vcfs::client
