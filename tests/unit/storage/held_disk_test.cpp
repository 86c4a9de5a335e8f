#include "cluster_fixture.h"

// A disk that is busy with something else: who may be held up by that, and what may come in between.
namespace vcfs::storage {
namespace {

constexpr auto in = ReplicaState::inSync;

class HeldDisk : public ClusterTest {
 protected:
  void SetUp() override {
    startPair();
    put(twoCopies());
  }
  Node& node(int n) { return storages_.at(n)->node(); }
};

class OldRecordings : public HeldDisk {
 protected:
  static constexpr int kMany = 100;
  struct Removed {
    bool answered = false;
    std::uint32_t count = 0;
    std::size_t kept = 0;
  };

  void SetUp() override {
    HeldDisk::SetUp();
    for (int i = 1; i <= kMany; ++i) {
      const Layout here = layout(1, {{2, in}}, kFile + i);
      put(here);
      ASSERT_EQ(of(write(2, here, 1, 0, "old", schema::WRITE_FLAG_CLOSE)).code, Errc::ok);
    }
    ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "abc")).code, Errc::ok);
    disk_ = &makeHeld(node(2).pools.writes);
    disk_->hold();
  }
  std::shared_ptr<Removed> removeAll() {
    auto request = to(2).removeRequest();
    auto inodes = request.initInodes(kMany);
    for (int i = 0; i < kMany; ++i) inodes.set(static_cast<unsigned>(i), kFile + 1 + static_cast<InodeId>(i));
    auto removed = std::make_shared<Removed>();
    request.send()
        .then([removed](auto&& response) {
          *removed = Removed{true, response.getRemoved(), response.getKept().size()};
        })
        .detach([](kj::Exception&&) {});
    settle(5ms);
    return removed;
  }
  void runNext() {
    disk_->runNext();
    settle(5ms);
  }
  int left() {
    int count = 0;
    for (int i = 1; i <= kMany; ++i) count += stores_.at(2)->load(kFile + i) ? 1 : 0;
    return count;
  }
  HeldPool* disk_ = nullptr;
};

TEST_F(OldRecordings, that_are_removed_hold_a_write_up_for_one_file_at_most) {
  auto removed = removeAll();
  auto written = write(1, twoCopies(), 2, 3, std::string(128 << 10, 'x'));
  settle(5ms);
  runNext();
  runNext();
  EXPECT_TRUE(written->answered);
  EXPECT_EQ(left(), kMany - 1);
  disk_->release();
  ASSERT_TRUE(eventually([&] { return removed->answered; }));
  EXPECT_EQ(removed->count, static_cast<std::uint32_t>(kMany));
  EXPECT_EQ(removed->kept, 0u);
  EXPECT_EQ(left(), 0);
}

// Who asks waits for half a minute. What is gone by then must be told, or the next call would begin with it again.
TEST_F(OldRecordings, that_are_removed_slowly_are_answered_in_part) {
  auto removed = removeAll();
  runNext();
  settle(21s);
  EXPECT_FALSE(removed->answered);
  runNext();
  ASSERT_TRUE(removed->answered);
  EXPECT_EQ(removed->count, 2u);
  EXPECT_EQ(removed->kept, static_cast<std::size_t>(kMany - 2));
  EXPECT_EQ(left(), kMany - 2);
  disk_->release();
}

// Its answer waits for the list of active files, behind everybody's syncs.
class ReopenedFile : public HeldDisk {
 protected:
  void SetUp() override {
    HeldDisk::SetUp();
    ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "abc", schema::WRITE_FLAG_CLOSE)).code, Errc::ok);
    ASSERT_EQ(stateOnDisk(2), FileState::closed);
    syncs_ = &makeHeld(node(2).pools.syncs);
    syncs_->hold();
  }
  HeldPool* syncs_ = nullptr;
};

TEST_F(ReopenedFile, waits_for_a_slow_sync_of_a_follower_that_is_well) {
  auto opened = open(1, twoCopies());
  auto written = write(1, twoCopies(), 2, 3, "def");
  settle(8s);
  EXPECT_FALSE(opened->answered);
  EXPECT_EQ(node(1).counters.replicasLost, 0u);
  syncs_->release();
  EXPECT_EQ(of(opened).code, Errc::ok);
  EXPECT_EQ(of(written).code, Errc::ok);
  EXPECT_EQ(tracker_.failuresReported, 0u);
}

TEST_F(ReopenedFile, gives_a_follower_up_before_its_client_loses_patience) {
  auto opened = open(1, twoCopies());
  EXPECT_TRUE(eventually([&] { return opened->answered; }, 14s));
  EXPECT_EQ(opened->code, Errc::ok);
  EXPECT_EQ(tracker_.failuresReported, 1u);
  syncs_->release();
}

// What the former primary sent is on its way to this disk when it takes over.
class TakenOver : public HeldDisk {
 protected:
  void SetUp() override {
    HeldDisk::SetUp();
    ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "abc")).code, Errc::ok);
    disk_ = &makeHeld(node(2).pools.writes);
    disk_->hold();
    write(1, twoCopies(), 2, 3, bytes_);
    settle(10ms);
    crash(1);
    put(layout(2, {{2, in}, {1, ReplicaState::stale}}));
  }
  const std::string bytes_ = std::string(128 << 10, 'x');
  HeldPool* disk_ = nullptr;
};

TEST_F(TakenOver, write_that_its_disk_refuses_is_not_said_to_be_executed) {
  auto repeated = write(2, current(), 2, 3, bytes_);
  auto synced = sync(2, current(), 3);
  settle(100ms);
  EXPECT_FALSE(repeated->answered) << nameOf(repeated->code);
  stores_.at(2)->failWrites(Errc::noSpace);
  disk_->release();
  EXPECT_EQ(of(repeated).code, Errc::noSpace);
  EXPECT_EQ(content(2), "abc");
}

TEST_F(TakenOver, write_that_its_disk_refuses_is_executed_when_it_is_repeated) {
  auto repeated = write(2, current(), 2, 3, bytes_);
  settle(100ms);
  stores_.at(2)->failWrites(Errc::noSpace);
  disk_->runNext();
  stores_.at(2)->failWrites(Errc::ok);
  disk_->release();
  EXPECT_EQ(of(repeated).code, Errc::ok);
  EXPECT_TRUE(content(2) == "abc" + bytes_);
}

TEST_F(TakenOver, write_that_its_disk_takes_is_executed_once) {
  auto repeated = write(2, current(), 2, 3, bytes_);
  auto next = write(2, current(), 3, 0, "d", schema::WRITE_FLAG_APPEND);
  settle(100ms);
  disk_->release();
  EXPECT_EQ(of(repeated).code, Errc::ok);
  EXPECT_EQ(of(next).code, Errc::ok);
  EXPECT_TRUE(content(2) == "abc" + bytes_ + "d");
  EXPECT_EQ(node(2).counters.repeats, 1u);
}

// The first sync of its new bytes has yet to come: the list may not say before that it is to be trusted.
TEST_F(HeldDisk, file_that_is_sealed_again_behind_a_sync_stays_active) {
  const Layout here = layout(1, {{1, in}});
  put(here);
  ASSERT_EQ(of(write(1, here, 1, 0, "abc", schema::WRITE_FLAG_CLOSE)).code, Errc::ok);
  HeldPool& syncs = makeHeld(node(1).pools.syncs);
  syncs.hold();
  // Each round syncs the list, and some the files behind that.
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(eventually([&] { return syncs.queued() == 1; }, 3s));
    syncs.runNext();
    settle(1ms);
    if (syncs.queued() == 1) break;
  }
  ASSERT_EQ(syncs.queued(), 1u);
  stores_.at(1)->failWrites(Errc::noSpace);  // what reopens it would stand behind that sync else
  ASSERT_EQ(of(write(1, here, 2, 0, "x")).code, Errc::noSpace);
  stores_.at(1)->failWrites(Errc::ok);
  ASSERT_EQ(of(write(1, here, 2, 0, "def", schema::WRITE_FLAG_CLOSE)).code, Errc::ok);
  ASSERT_EQ(stateOnDisk(1), FileState::closed);
  syncs.runNext();
  settle(5ms);
  EXPECT_EQ(stores_.at(1)->activeFiles(), std::vector<InodeId>{kFile});
  syncs.release();
  EXPECT_TRUE(eventually([&] { return stores_.at(1)->activeFiles().empty(); })) << "its own sync";
}

}  // namespace
}  // namespace vcfs::storage
