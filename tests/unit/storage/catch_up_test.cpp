#include <random>

#include "cluster_fixture.h"

// Catch-up while the file is written and its replica set changes: what is in sync at the end has every byte.
namespace vcfs::storage {
namespace {

constexpr auto in = ReplicaState::inSync;
constexpr auto syncing = ReplicaState::syncing;
constexpr auto stale = ReplicaState::stale;

class CatchUpCluster : public ClusterTest {
 protected:
  void SetUp() override { startPair(); }
  bool inSync(StorageId storage) {
    for (const Replica& replica : current().replicas) {
      if (replica.storage == storage) return replica.state == in;
    }
    return false;
  }
  // The catalog counts the new replica, which is not told: its tracker's answers are lost. The layout of before.
  Layout countUnheard() {
    put(layout(1, {{1, in}}));
    EXPECT_EQ(of(write(1, current(), 1, 0, std::string(kFirst, 'a'))).code, Errc::ok);
    startStorage(3);
    settle(2s);
    const Layout before = layout(2, {{1, in}, {3, syncing}});
    put(before);
    tracker_.answersCaughtUp = false;
    of(stat(1, before));
    EXPECT_TRUE(eventually([&] { return inSync(3); }, 60s));
    network_.cut("t1", "s3");
    tracker_.answersCaughtUp = true;
    return before;
  }
  static constexpr std::uint64_t kFirst = 300'000;  // bytes that are there when the replica is made
};

TEST_F(CatchUpCluster, pass_that_ends_with_an_answer_that_cannot_be_decoded_is_begun_anew) {
  options_.catchUpFiles = 1;
  startStorage(3);
  put(layout(1, {{1, in}}));
  ASSERT_EQ(of(write(1, current(), 1, 0, std::string(kFirst, 'a'))).code, Errc::ok);
  settle(2s);
  put(layout(2, {{1, in}, {3, syncing}}));
  tracker_.garbles = true;
  of(stat(1, current()));
  settle(2s);
  ASSERT_FALSE(inSync(3));
  tracker_.garbles = false;
  EXPECT_TRUE(eventually([&] { return inSync(3); }, 60s));
  EXPECT_EQ(content(3), content(1));
}

TEST_F(CatchUpCluster, replica_that_was_dropped_and_added_again_begins_anew) {
  options_.catchUpBytesPerSecond = 10'000'000;
  startStorage(3);
  put(layout(1, {{1, in}}));
  for (std::uint64_t i = 0; i < 3; ++i) {
    ASSERT_EQ(of(write(1, current(), i + 1, i * 1'000'000, std::string(1'000'000, 'a'))).code, Errc::ok);
  }
  put(layout(2, {{1, in}, {3, syncing}}));
  of(stat(1, current()));
  ASSERT_TRUE(eventually([&] { return content(3).size() >= 1'000'000; })) << "the pass is under way";
  ASSERT_FALSE(inSync(3));
  // Only the primary is told that it is out, and that it is in again.
  put(layout(3, {{1, in}, {3, stale}}));
  of(stat(1, current()));
  EXPECT_EQ(of(write(1, current(), 4, 100, "MISSED")).code, Errc::ok);
  put(layout(4, {{1, in}, {3, syncing}}));
  of(stat(1, current()));
  ASSERT_TRUE(eventually([&] { return inSync(3); }, 60s));
  EXPECT_EQ(content(3), content(1));
}

// A new disk waits, refused, until the server of its name was removed; others had connected to its address before.
TEST_F(CatchUpCluster, replica_joins_on_a_server_that_was_spoken_to_before_it_was_registered) {
  network_.cut("s3", "t1");
  startStorage(3, nullptr, false);
  put(layout(1, {{1, in}, {3, syncing}}));
  ASSERT_EQ(of(write(1, current(), 1, 0, std::string(1000, 'a'))).code, Errc::ok);
  settle(1s);
  ASSERT_FALSE(inSync(3));
  network_.heal("s3", "t1");
  settle(5s);
  put(layout(current().epoch + 1, {{1, in}, {3, syncing}}));
  of(stat(1, current()));
  EXPECT_TRUE(eventually([&] { return inSync(3); }, 20s));
}

TEST_F(CatchUpCluster, how_the_file_was_sealed_in_an_earlier_pass_does_not_count) {
  startStorage(3);
  settle(2s);
  put(layout(1, {{1, in}}));
  ASSERT_EQ(of(write(1, current(), 1, 0, std::string(1000, 'a'))).code, Errc::ok);
  ASSERT_EQ(of(close(1, current(), 2)).code, Errc::ok);
  // It copies everything, and cannot say so.
  tracker_.hearsCaughtUp = false;
  put(layout(2, {{1, in}, {3, syncing}}));
  of(stat(1, current()));
  ASSERT_TRUE(eventually([&] { return content(3).size() == 1000; }));
  network_.cut("s3", "t1");
  network_.cut("t1", "s3");
  tracker_.hearsCaughtUp = true;
  settle(2s);
  // Given up; the file is opened again and grows.
  put(layout(3, {{1, in}, {3, stale}}));
  of(stat(1, current()));
  ASSERT_EQ(of(open(1, current())).code, Errc::ok);
  ASSERT_EQ(of(write(1, current(), 3, 1000, std::string(5000, 'b'))).code, Errc::ok);
  network_.heal("s3", "t1");
  network_.heal("t1", "s3");
  put(layout(4, {{1, in}, {3, syncing}}));
  of(stat(1, current()));
  ASSERT_TRUE(eventually([&] { return inSync(3); }, 60s));
  settle();
  EXPECT_EQ(content(3), content(1));
  EXPECT_EQ(stateOnDisk(3), FileState::open);
}

TEST_F(CatchUpCluster, live_appends_do_not_pass_the_cut_of_an_old_end) {
  put(twoCopies());
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, std::string(200'000, 'a'))).code, Errc::ok);
  crash(2);
  ASSERT_TRUE(eventually([&] { return current().epoch > 1; }));
  stores_[2]->corrupt(kFile, 200'000, std::string(100'000, 'x'));
  put(layout(5, {{1, in}}));
  diskDelay_ = 5ms;
  startStorage(2);
  put(layout(6, {{1, in}, {2, syncing}}));
  std::uint64_t sequence = 2;
  std::vector<ReplyPtr> replies;
  for (int i = 0; i < 3000 && !inSync(2); ++i) {
    if (i == 3) of(stat(1, current()));
    replies.push_back(write(1, current(), sequence, 200'000 + (sequence - 2) * 10, "0123456789"));
    ++sequence;
    settle(6ms);  // the disk is through with one when the next comes, which may then run inline
  }
  ASSERT_TRUE(inSync(2));
  EXPECT_EQ(of(write(1, current(), sequence, 0, "end")).code, Errc::ok);
  settle(50ms);
  EXPECT_EQ(content(2), content(1));
}

TEST_F(CatchUpCluster, what_is_in_sync_is_on_stable_storage_though_it_is_being_written) {
  put(layout(1, {{1, in}}));
  ASSERT_EQ(of(write(1, current(), 1, 0, std::string(300'000, 'a'))).code, Errc::ok);
  startStorage(3);
  network_.setDelay([](const std::string&, const std::string&) { return Duration(3ms); });
  put(layout(2, {{1, in}, {3, syncing}}));
  of(stat(1, current()));
  std::vector<ReplyPtr> replies;
  std::uint64_t sequence = 2;
  for (int i = 0; i < 3000 && !inSync(3); ++i) {
    replies.push_back(write(1, current(), sequence, 300'000 + (sequence - 2) * 4, "live"));
    ++sequence;
    settle(1ms);
  }
  ASSERT_TRUE(inSync(3));
  stores_[3]->losePower();
  EXPECT_GE(content(3).size(), 300'000u);
}

TEST_F(CatchUpCluster, recorders_sync_does_not_wait_for_the_disk_of_a_replica_that_is_being_caught_up) {
  options_.catchUpBytesPerSecond = 1'000'000;
  put(layout(1, {{1, in}}));
  for (std::uint64_t i = 0; i < 3; ++i) {
    ASSERT_EQ(of(write(1, current(), i + 1, i * 1'000'000, std::string(1'000'000, 'a'))).code, Errc::ok);
  }
  diskDelay_ = 500ms;
  startStorage(3);
  put(layout(2, {{1, in}, {3, syncing}}));
  of(stat(1, current()));
  ASSERT_TRUE(eventually([&] { return content(3).size() >= 1'000'000; })) << "the pass is under way";
  const TimePoint asked = clock_.now();
  EXPECT_EQ(of(sync(1, current(), 4)).code, Errc::ok);
  EXPECT_LT(clock_.now() - asked, 100ms);
  ASSERT_TRUE(eventually([&] { return inSync(3); }, 60s));
  stores_[3]->losePower();
  EXPECT_EQ(content(3), content(1));
}

// A tracker may have heard that the replica has everything, though its answer was lost: from then on it may count.
TEST_F(CatchUpCluster, what_is_synced_once_a_tracker_was_told_is_on_the_new_replicas_disk) {
  diskDelay_ = 100ms;
  const Layout before = countUnheard();
  ASSERT_FALSE(HasFailure());
  network_.cut("s1", "t1");  // the primary does not learn it
  network_.cut("t1", "s1");
  std::uint64_t end = kFirst;
  for (std::uint64_t sequence = 2; sequence < 100; sequence += 2) {  // beyond the pass, into the next ones
    ASSERT_EQ(of(write(1, before, sequence, end, std::string(1000, 'b'))).code, Errc::ok);
    ASSERT_EQ(of(sync(1, before, sequence + 1)).code, Errc::ok);
    end += 1000;
    stores_[3]->losePower();
    ASSERT_EQ(content(3).size(), end);
  }
}

// As the one before, and its disk gives up what was written: a later sync that succeeds there means nothing.
TEST_F(CatchUpCluster, replica_that_may_count_does_not_claim_a_sync_after_one_that_failed) {
  const Layout before = countUnheard();
  ASSERT_FALSE(HasFailure());
  network_.cut("s1", "t1");  // the primary cannot tell anybody, nor learn what the catalog says
  network_.cut("t1", "s1");
  ASSERT_EQ(of(write(1, before, 2, kFirst, "lost")).code, Errc::ok);
  stores_[3]->failSyncs(Errc::io);
  const auto failed = sync(1, before, 3);
  ASSERT_TRUE(eventually([&] { return stores_[3]->syncsFailed() != 0; }, 60s));
  stores_[3]->failSyncs(Errc::ok);
  const auto claimed = sync(1, before, 4);
  settle(1s);
  EXPECT_FALSE(failed->answered && failed->code == Errc::ok);
  EXPECT_FALSE(claimed->answered && claimed->code == Errc::ok);
}

// What came in before the pass dropped what its disk had not taken is compared with nobody.
TEST_F(CatchUpCluster, pass_in_which_a_live_sync_failed_begins_anew) {
  put(layout(1, {{1, in}}));
  ASSERT_EQ(of(write(1, current(), 1, 0, std::string(300'000, 'a'))).code, Errc::ok);
  diskDelay_ = 100ms;
  startStorage(3);
  settle(2s);
  put(layout(2, {{1, in}, {3, syncing}}));
  stores_[3]->failSyncs(Errc::io);
  of(stat(1, current()));
  const auto live = write(1, current(), 2, 300'000, "live");
  ASSERT_TRUE(eventually([&] { return stores_[3]->syncsFailed() != 0; }, 60s));
  EXPECT_FALSE(inSync(3));
  stores_[3]->failSyncs(Errc::ok);
  EXPECT_EQ(of(live).code, Errc::ok);
  ASSERT_TRUE(eventually([&] { return inSync(3); }, 60s));
  stores_[3]->losePower();
  EXPECT_EQ(content(3), content(1));
}

// The replica is longer than the primary's file. What comes while it learns that file's size moves the ends of both:
// the older bytes behind the former end must be gone all the same.
class EndsThatMove : public CatchUpCluster, public ::testing::WithParamInterface<unsigned> {
 protected:
  void allocate(std::uint64_t sequence, std::uint32_t mode, std::uint64_t offset, std::uint64_t length) {
    auto request = to(1).allocateRequest();
    request.setInode(kFile);
    request.setEpoch(current().epoch);
    schema::fill(request.initLayout(), current());
    request.getWriter().setClient(7);
    request.getWriter().setSequence(sequence);
    request.setMode(mode);
    request.setOffset(offset);
    request.setLength(length);
    request.send().ignoreResult().detach([](kj::Exception&&) {});
  }
  std::mt19937_64 random_{GetParam()};
};

TEST_P(EndsThatMove, leave_nothing_of_before_between_them) {
  put(twoCopies());
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, std::string(1000, 'a'))).code, Errc::ok);
  crash(2);
  ASSERT_TRUE(eventually([&] { return current().epoch > 1; }));
  stores_[2]->corrupt(kFile, 1000, std::string(100'000, 'x'));
  put(layout(5, {{1, in}}));
  startStorage(2);
  network_.setDelay([this](const std::string&, const std::string&) { return Duration(1ms) * (random_() % 8); });
  put(layout(6, {{1, in}, {2, syncing}}));
  auto begun = stat(1, current());
  std::uint64_t sequence = 2;
  std::uint64_t end = 1000;
  settle(10ms + Duration(1ms) * (random_() % 60));
  for (int i = 0; i < 8; ++i) {
    end += 1000;
    switch (GetParam() % 4) {
      case 0:
        write(1, current(), sequence++, end, "live");
        break;
      case 1:
        truncate(1, current(), sequence++, end);
        break;
      case 2:
        allocate(sequence++, 0, end, 100);
        break;
      default:
        allocate(sequence++, 3, 500, end);
        break;
    }
    settle(Duration(1ms) * (random_() % 4));
  }
  ASSERT_TRUE(eventually([&] { return inSync(2); }, 60s));
  settle(100ms);
  ASSERT_EQ(content(2).size(), content(1).size());
  EXPECT_TRUE(content(2) == content(1)) << "older bytes are left";
}

INSTANTIATE_TEST_SUITE_P(Seeds, EndsThatMove, ::testing::Range(0u, 200u));

}  // namespace
}  // namespace vcfs::storage
