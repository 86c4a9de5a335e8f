#include "cluster_fixture.h"

// mtimes: whose clock counts, that all replicas have the same one, and that no two contents have.
namespace vcfs::storage {
namespace {

constexpr auto in = ReplicaState::inSync;
constexpr auto syncing = ReplicaState::syncing;
constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1000 * kMs;
constexpr std::int64_t kNow = 1'700'000'000 * kSecond;

WriterTime atOnce(std::int64_t ns) { return {ns, ns}; }

TEST(MtimeAfter, is_the_writers_time) {
  EXPECT_EQ(mtimeAfter(0, atOnce(kNow - 50 * kMs), kNow), kNow - 50 * kMs);
  EXPECT_EQ(mtimeAfter(0, atOnce(kNow), kNow), kNow);
  EXPECT_EQ(mtimeAfter(kNow - 51 * kMs, atOnce(kNow - 50 * kMs), kNow), kNow - 50 * kMs);
}

TEST(MtimeAfter, is_never_in_this_servers_future) { EXPECT_EQ(mtimeAfter(0, atOnce(kNow + 1), kNow), kNow); }

TEST(MtimeAfter, is_this_servers_when_the_writers_clock_is_far_behind) {
  EXPECT_EQ(mtimeAfter(0, atOnce(kNow - kSecond), kNow), kNow - kSecond);
  EXPECT_EQ(mtimeAfter(0, atOnce(kNow - kSecond - 1), kNow), kNow);
}

TEST(MtimeAfter, is_the_writers_time_however_long_the_change_has_waited) {
  EXPECT_EQ(mtimeAfter(0, {kNow - 30 * kSecond, kNow}, kNow), kNow - 30 * kSecond);
  EXPECT_EQ(mtimeAfter(0, {kNow - 30 * kSecond, kNow - 2 * kSecond}, kNow), kNow) << "its clock is behind";
}

TEST(MtimeAfter, is_later_than_any_before) {
  EXPECT_EQ(mtimeAfter(kNow - 50 * kMs, atOnce(kNow - 50 * kMs), kNow), kNow);
  EXPECT_EQ(mtimeAfter(kNow - 10 * kMs, atOnce(kNow - 50 * kMs), kNow), kNow);
  EXPECT_EQ(mtimeAfter(kNow, atOnce(kNow), kNow), kNow + 1);
  EXPECT_EQ(mtimeAfter(kNow + kSecond, atOnce(kNow), kNow), kNow + kSecond + 1) << "this server's clock was set back";
}

TEST(MtimeAfter, stays_the_last_that_there_is) { EXPECT_EQ(mtimeAfter(INT64_MAX, atOnce(kNow), kNow), INT64_MAX); }

TEST(MtimeAfter, is_this_servers_when_the_writer_tells_nothing) { EXPECT_EQ(mtimeAfter(0, {}, kNow), kNow); }

class Times : public ClusterTest {
 protected:
  void SetUp() override {
    startPair();
    put(twoCopies());
    settle(2s);
  }
  std::int64_t now() const { return clock_.wallNs(); }
  std::int64_t mtimeAt(int n) { return storages_.at(n)->node().find(kFile)->mtimeNs; }
  // What a writer tells whose change has waited for so long.
  std::int64_t tell(Duration waited) {
    told_ = {now() - waited.count(), now()};
    return told_.writtenNs;
  }
};

TEST_F(Times, every_kind_of_change_has_the_writers_time_on_every_replica) {
  std::int64_t told = tell(20ms);
  EXPECT_EQ(of(write(1, twoCopies(), 1, 0, "hello")).mtimeNs, told);
  EXPECT_EQ(mtimeAt(2), told);
  settle(100ms);
  told = tell(19ms);
  EXPECT_EQ(of(truncate(1, twoCopies(), 2, 3)).mtimeNs, told);
  EXPECT_EQ(mtimeAt(2), told);
  settle(100ms);
  told = tell(18ms);
  EXPECT_EQ(of(allocate(1, twoCopies(), 3, 0, 100)).mtimeNs, told);
  EXPECT_EQ(mtimeAt(2), told);
  settle(100ms);
  told = tell(17ms);
  EXPECT_EQ(of(copyWithin(1, twoCopies(), 4, 0, 200, 3)).mtimeNs, told);
  EXPECT_EQ(mtimeAt(2), told);
  told_ = {};
  EXPECT_EQ(of(sync(1, twoCopies(), 5)).mtimeNs, told);
  EXPECT_EQ(of(close(1, twoCopies(), 6)).mtimeNs, told);
  EXPECT_EQ(mtimeOnDisk(1), told);
  EXPECT_EQ(mtimeOnDisk(2), told);
}

TEST_F(Times, a_small_file_that_is_sealed_by_its_write_has_the_writers_time_on_every_disk) {
  const std::int64_t told = tell(1ms);
  EXPECT_EQ(of(write(1, twoCopies(), 1, 0, "tiny", schema::WRITE_FLAG_CLOSE)).mtimeNs, told);
  EXPECT_EQ(mtimeOnDisk(1), told);
  EXPECT_EQ(mtimeOnDisk(2), told);
}

TEST_F(Times, replicas_agree_on_a_time_that_the_primary_decided_against_the_writer) {
  told_ = atOnce(now() + kSecond);
  const std::int64_t mtime = of(write(1, twoCopies(), 1, 0, "hello")).mtimeNs;
  EXPECT_LE(mtime, now());
  EXPECT_EQ(mtimeAt(2), mtime);
}

TEST_F(Times, two_writers_whose_clocks_differ_never_give_a_file_the_same_time_twice) {
  std::set<std::int64_t> times;
  const std::int64_t begun = now();
  for (std::uint64_t i = 1; i <= 20; ++i) {
    told_ = atOnce(begun);
    times.insert(of(write(1, twoCopies(), i, 0, "a", 0, 7)).mtimeNs);
    told_ = atOnce(begun - 300 * kMs);
    times.insert(of(write(1, twoCopies(), i, 0, "b", 0, 8)).mtimeNs);
  }
  EXPECT_EQ(times.size(), 40u);
}

TEST_F(Times, what_is_sent_again_to_the_next_primary_keeps_its_time) {
  const std::int64_t first = tell(20ms);
  of(write(1, twoCopies(), 1, 0, "abc"));
  settle(10ms);
  network_.cut("s1", "s2");
  const std::int64_t second = tell(0ms);
  write(1, twoCopies(), 2, 0, "ABC");
  settle(100ms);
  EXPECT_EQ(mtimeAt(1), second);
  EXPECT_EQ(mtimeAt(2), first);
  crash(1);
  const Layout next = tracker_.lose(kFile, 1, 1);
  EXPECT_EQ(of(stat(2, next)).mtimeNs, first);
  settle(5s);
  told_ = {second, now()};
  EXPECT_EQ(of(write(2, next, 2, 0, "ABC")).mtimeNs, second);
  EXPECT_EQ(of(write(2, next, 2, 0, "ABC")).mtimeNs, second) << "and once more";
}

TEST_F(Times, a_change_that_stood_in_line_is_not_one_of_a_clock_that_is_behind) {
  told_ = atOnce(now());
  of(write(1, twoCopies(), 1, 0, "abc"));
  told_ = atOnce(now() + kSecond);
  const std::int64_t told = told_.writtenNs;
  settle(5s);
  EXPECT_EQ(of(write(1, twoCopies(), 2, 3, "def")).mtimeNs, told);
}

TEST_F(Times, a_clock_that_is_behind_is_so_in_every_change) {
  for (std::uint64_t i = 1; i <= 3; ++i) {
    settle(3s);
    told_ = atOnce(now() - 2 * kSecond);
    EXPECT_GT(of(write(1, twoCopies(), i, 0, "abc")).mtimeNs, told_.writtenNs);
  }
}

TEST_F(Times, garbage_is_not_believed_and_does_no_harm) {
  std::uint64_t sequence = 0;
  for (const std::int64_t bad : {INT64_MAX, INT64_MIN, std::int64_t{-1}}) {
    settle(10ms);
    told_ = atOnce(bad);
    const std::int64_t mtime = of(write(1, twoCopies(), ++sequence, 0, "abc")).mtimeNs;
    EXPECT_LE(mtime, now());
    EXPECT_GT(mtime, now() - kSecond);
  }
}

// The former primary may have shown another content with that time: the other writer's bytes were there first.
TEST_F(Times, what_one_of_several_writers_sends_again_to_the_next_primary_gets_a_new_time) {
  of(write(1, twoCopies(), 1, 0, "abc", 0, 7));
  of(write(1, twoCopies(), 1, 0, "abc", 0, 8));
  settle(10ms);
  network_.cut("s1", "s2");
  const std::int64_t told = tell(0ms);
  write(1, twoCopies(), 2, 0, "ABC", 0, 7);
  settle(100ms);
  ASSERT_EQ(mtimeAt(1), told);
  crash(1);
  const Layout next = tracker_.lose(kFile, 1, 1);
  of(stat(2, next));
  settle(10ms);
  told_ = {told, now()};
  EXPECT_GT(of(write(2, next, 2, 0, "ABC", 0, 7)).mtimeNs, told);
  settle(10ms);
  const std::int64_t later = tell(1ms);
  EXPECT_EQ(of(write(2, next, 3, 0, "abc", 0, 7)).mtimeNs, later) << "what is written from then on has the writer's";
}

TEST_F(Times, a_replica_that_was_caught_up_knows_the_time_of_what_it_copied) {
  put(layout(1, {{1, in}}));
  const std::int64_t told = tell(20ms);
  of(write(1, current(), 1, 0, "hello"));
  put(layout(2, {{1, in}, {2, syncing}}));
  of(stat(1, current()));
  ASSERT_TRUE(eventually([&] { return current().replicas[1].state == in; }));
  EXPECT_EQ(mtimeAt(2), told);
}

}  // namespace
}  // namespace vcfs::storage
