// A replica that is behind becomes the best there is: what it says that it has, and what is kept of it.
#include "cluster_fixture.h"

namespace vcfs::storage {
namespace {

constexpr auto in = ReplicaState::inSync;
constexpr auto syncing = ReplicaState::syncing;
constexpr auto stale = ReplicaState::stale;
constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kAny = UINT64_MAX;

class SalvageTest : public ClusterTest {
 protected:
  struct Kept {
    Epoch epoch = 0;
    std::uint64_t size = 0;
    bool gaps = false;
    FileState state = FileState::none;
    std::int64_t mtimeNs = 0;
  };
  static Kept toKept(schema::StoredReplica::Reader reader) {
    return Kept{reader.getEpoch(), reader.getSize(), reader.getMayHaveGaps(), static_cast<FileState>(reader.getState()),
                reader.getMtimeNs()};
  }
  Kept inspect(int n) {
    auto request = to(n).inspectRequest();
    request.initInodes(1).set(0, kFile);
    auto answer = std::make_shared<std::optional<Kept>>();
    request.send()
        .then([answer](auto&& response) {
          answer->emplace();
          for (auto one : response.getReplicas()) **answer = toKept(one);
        })
        .detach([](kj::Exception&&) {});
    EXPECT_TRUE(eventually([&] { return answer->has_value(); })) << "no answer";
    return answer->value_or(Kept());
  }
  Kept salvage(int n, const Layout& layout, std::uint64_t atMost = kAny, std::uint64_t loss = 0) {
    auto request = to(n).salvageRequest();
    auto file = request.initFiles(1)[0];
    schema::fill(file.initLayout(), layout);
    file.setAtMost(atMost);
    request.setLoss(loss);
    auto answer = std::make_shared<std::optional<Kept>>();
    request.send()
        .then([answer](auto&& response) { *answer = toKept(response.getKept()[0]); })
        .detach([](kj::Exception&&) {});
    EXPECT_TRUE(eventually([&] { return answer->has_value(); })) << "no answer";
    return answer->value_or(Kept());
  }
  void fill(std::uint64_t mebibytes) {
    for (std::uint64_t i = 0; i < mebibytes; ++i) {
      ASSERT_EQ(of(write(1, current(), ++sequence_, i * kMiB, std::string(kMiB, 'a'))).code, Errc::ok);
    }
  }
  // Server 2 is away while server 1 goes on, and back when that is gone.
  void leaveBehind() {
    crash(2);
    ASSERT_TRUE(eventually([&] { return current().epoch > 1; }));
    fill(2);
    crash(1);
    startStorage(2);
    settle(2s);
  }
  // As the primary would, which is not there.
  template <class Request>
  Errc send(Request request) {
    request.setInode(kFile);
    request.setEpoch(current().epoch);
    schema::fill(request.initLayout(), current());
    auto answer = std::make_shared<std::optional<Errc>>();
    request.send()
        .then([answer](auto&& response) { *answer = static_cast<Errc>(response.getStatus().getCode()); })
        .detach([](kj::Exception&&) {});
    EXPECT_TRUE(eventually([&] { return answer->has_value(); })) << "no answer";
    return answer->value_or(Errc::internal);
  }
  void probe(int n, Errc expected = Errc::ok) {
    auto request = to(n, 99).replicateOpRequest();
    request.initOp().setOpen();
    EXPECT_EQ(send(std::move(request)), expected);
  }
  Errc replicate(int n, std::uint64_t offset, const std::string& data) {
    auto request = to(n, 99).replicateRequest();
    request.initWriter().setClient(7);
    request.getWriter().setSequence(++sequence_);
    request.setOffset(offset);
    request.setData(schema::toData(data));
    return send(std::move(request));
  }
  void adopt(int n, const Layout& layout) {
    auto request = to(n, 99).adoptRequest();
    schema::fill(request.initLayout(), layout);
    request.send().ignoreResult().detach([](kj::Exception&&) {});
    settle(10ms);
  }
  // Server 3 is being made equal to server 1, which has 24 MiB.
  void beginCopy() {
    options_.catchUpBytesPerSecond = 8'000'000;
    startTracker();
    startStorage(1);
    startStorage(3);
    put(layout(1, {{1, in}}));
    fill(24);
    put(layout(2, {{1, in}, {3, syncing}}));
    of(stat(1, current()));
    ASSERT_TRUE(eventually([&] { return content(3).size() >= 9 * kMiB; })) << "the pass is under way";
  }
  // The same, and it has got what was written meanwhile, behind what it lacks.
  void copyWithGap() {
    ASSERT_NO_FATAL_FAILURE(beginCopy());
    ASSERT_EQ(of(write(1, current(), ++sequence_, 24 * kMiB, "live")).code, Errc::ok);
    ASSERT_EQ(content(3).size(), 24 * kMiB + 4) << "it takes what is written now";
    ASSERT_FALSE(content(3).substr(0, 24 * kMiB) == std::string(24 * kMiB, 'a')) << "and lacks what was written before";
  }
  bool has(int n, std::uint64_t size) { return content(n) == std::string(size, 'a'); }  // as fill() wrote it
  std::uint64_t sequence_ = 0;
};

TEST_F(SalvageTest, a_replica_that_was_given_up_has_all_that_it_had) {
  startPair();
  put(twoCopies());
  fill(1);
  leaveBehind();
  const Kept found = inspect(2);
  EXPECT_EQ(found.size, kMiB);
  EXPECT_FALSE(found.gaps);
  EXPECT_EQ(found.epoch, current().epoch);
  const Layout before = current();
  EXPECT_EQ(salvage(2, before).size, kMiB);
  EXPECT_EQ(stateOnDisk(2), FileState::recovered);
  // The catalog follows.
  put(layout(before.epoch + 1, {{2, in}}));
  const Reply answer = of(read(2, current(), 0, 100));
  EXPECT_EQ(answer.code, Errc::ok);
  EXPECT_EQ(answer.data, std::string(100, 'a'));
  EXPECT_EQ(answer.size, kMiB);
  EXPECT_EQ(answer.state, FileState::recovered);
}

TEST_F(SalvageTest, it_is_cut_to_what_the_catalog_knows_and_may_be_repeated) {
  startPair();
  put(twoCopies());
  fill(1);
  leaveBehind();
  EXPECT_EQ(salvage(2, current(), 1000).size, 1000u);
  const Kept again = salvage(2, current(), 1000);
  EXPECT_EQ(again.size, 1000u);
  EXPECT_EQ(again.state, FileState::recovered);
  EXPECT_TRUE(has(2, 1000));
  EXPECT_EQ(again.epoch, current().epoch);
}

// A recorder writes on while the replica is copied: what it sends lies behind a gap.
TEST_F(SalvageTest, a_copy_that_was_not_finished_says_that_it_may_have_gaps) {
  copyWithGap();
  const std::int64_t before = of(stat(1, current())).mtimeNs;
  crash(1);
  settle(1s);
  const Kept found = inspect(3);
  EXPECT_TRUE(found.gaps);
  const Kept kept = salvage(3, current());
  EXPECT_EQ(kept.size, 24 * kMiB + 4);
  EXPECT_TRUE(kept.gaps);
  EXPECT_GT(kept.mtimeNs, before) << "no time may stand for two contents";
  EXPECT_EQ(kept.state, FileState::recovered);
  EXPECT_TRUE(inspect(3).gaps) << "the catalog may never hear of it";
  put(layout(current().epoch + 1, {{3, in}}));
  EXPECT_EQ(of(read(3, current(), 24 * kMiB, 100)).data, "live");
  settle(100ms);
  EXPECT_FALSE(inspect(3).gaps) << "from now on it is what the file has";
  EXPECT_EQ(stateOnDisk(3), FileState::recovered);
}

TEST_F(SalvageTest, a_gap_is_remembered_by_the_next_process) {
  copyWithGap();
  crash(3);
  crash(1);
  startStorage(3);
  settle(2s);
  EXPECT_TRUE(inspect(3).gaps);
}

// The first operation that comes over a gap may be the last one.
TEST_F(SalvageTest, it_says_so_before_the_first_byte_behind_a_gap) {
  startTracker();
  startStorage(3);
  put(layout(2, {{1, in}, {3, syncing}}));
  probe(3);
  EXPECT_EQ(replicate(3, 100, "behind a gap"), Errc::ok);
  EXPECT_TRUE(stores_[3]->load(kFile)->meta.partial);
}

TEST_F(SalvageTest, a_replica_that_was_caught_up_is_whole) {
  startTracker();
  startStorage(1);
  startStorage(3);
  put(layout(1, {{1, in}}));
  fill(2);
  put(layout(2, {{1, in}, {3, syncing}}));
  of(stat(1, current()));
  ASSERT_TRUE(eventually([&] { return current().epoch > 2; }));
  settle();
  EXPECT_FALSE(inspect(3).gaps);
}

TEST_F(SalvageTest, one_that_is_in_sync_is_left_alone) {
  startPair();
  put(twoCopies());
  fill(1);
  EXPECT_EQ(salvage(2, twoCopies(), 10).epoch, 0u);
  EXPECT_EQ(salvage(1, twoCopies(), 10).epoch, 0u);
  EXPECT_EQ(content(1).size(), kMiB);
  EXPECT_EQ(content(2).size(), kMiB);
}

TEST_F(SalvageTest, one_that_knows_of_a_newer_epoch_is_left_alone) {
  startPair();
  put(twoCopies());
  fill(1);
  const Layout older = layout(3, {{1, in}, {2, stale}});
  const Layout newer = layout(5, {{1, in}, {2, stale}});
  EXPECT_EQ(salvage(2, newer, 1000).size, 1000u);
  EXPECT_EQ(salvage(2, older, 10).epoch, 0u);
  EXPECT_EQ(content(2).size(), 1000u);
}

// The server that was said to be gone is there and goes on copying: two copies that differ must not come of it.
TEST_F(SalvageTest, one_whose_primary_is_there_is_left_alone) {
  ASSERT_NO_FATAL_FAILURE(beginCopy());
  ASSERT_EQ(of(write(1, current(), ++sequence_, 24 * kMiB, std::string(kMiB, 'a'))).code, Errc::ok);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(salvage(3, current()).epoch, 0u);
    settle(3ms);
  }
  ASSERT_EQ(of(write(1, current(), ++sequence_, 25 * kMiB, std::string(kMiB, 'a'))).code, Errc::ok);
  ASSERT_TRUE(eventually([&] { return current().epoch > 2; })) << "it is caught up";
  settle(1s);
  EXPECT_TRUE(has(1, 26 * kMiB));
  EXPECT_TRUE(has(3, 26 * kMiB));
}

// The primary joins it, is not heard of while it is cut, and goes on after all, in the same epoch.
TEST_F(SalvageTest, a_pass_does_not_outlive_the_cut) {
  ASSERT_NO_FATAL_FAILURE(beginCopy());
  ASSERT_EQ(of(write(1, current(), ++sequence_, 24 * kMiB, std::string(kMiB, 'a'))).code, Errc::ok);
  const FilePtr file = storages_[3]->node().find(kFile);
  Kept kept;
  for (int i = 0; i < 50 && kept.epoch == 0; ++i) {
    file->joinedOver.reset();
    kept = salvage(3, current());
    settle(3ms);
  }
  ASSERT_EQ(kept.epoch, 2u);
  ASSERT_EQ(of(write(1, current(), ++sequence_, 25 * kMiB, std::string(kMiB, 'a'))).code, Errc::ok);
  ASSERT_TRUE(eventually([&] { return current().epoch > 2; })) << "it is given up";
  settle(1s);
  put(layout(current().epoch + 1, {{1, in}, {3, syncing}}));
  const Epoch joins = current().epoch;
  of(stat(1, current()));
  ASSERT_TRUE(eventually([&] { return current().epoch > joins; })) << "it is caught up";
  settle(1s);
  EXPECT_TRUE(has(1, 26 * kMiB));
  EXPECT_TRUE(has(3, 26 * kMiB));
}

TEST_F(SalvageTest, what_is_not_on_the_disk_is_as_good_as_empty) {
  startPair();
  put(layout(1, {{1, in}}));
  const Kept kept = salvage(2, layout(2, {{1, in}, {2, syncing}}), 0);
  EXPECT_EQ(kept.epoch, 2u);
  EXPECT_EQ(kept.size, 0u);
  EXPECT_EQ(kept.state, FileState::none);
}

TEST_F(SalvageTest, a_disk_that_fails_has_kept_nothing_for_sure) {
  startPair();
  put(twoCopies());
  fill(1);
  leaveBehind();
  stores_[2]->failSyncs(Errc::io);
  EXPECT_EQ(salvage(2, current(), 1000).epoch, 0u);
}

// Whoever still has the file open learns that bytes which were acknowledged are gone.
TEST_F(SalvageTest, writers_are_told_of_the_loss) {
  startPair();
  put(twoCopies());
  fill(1);
  leaveBehind();
  const Layout before = current();
  salvage(2, before, kAny, 42);
  put(layout(before.epoch + 1, {{2, in}}));
  EXPECT_EQ(of(open(2, current())).powerLoss, 42u);
}

// What the kernel gave up is not on the disk, whatever can be read: it counts as it is there, and says so.
TEST_F(SalvageTest, after_a_failed_sync_the_disk_is_asked) {
  startPair();
  put(twoCopies());
  fill(1);
  stores_[2]->failSyncs(Errc::io);
  of(sync(1, current(), ++sequence_));
  stores_[2]->failSyncs(Errc::ok);
  leaveBehind();
  const auto meta = [&] { return stores_[2]->load(kFile)->meta; };
  ASSERT_TRUE(meta().unstable) << "it was caught up before it was left behind";
  EXPECT_TRUE(inspect(2).gaps);
  const Kept kept = salvage(2, current());
  EXPECT_EQ(kept.epoch, current().epoch);
  EXPECT_TRUE(kept.gaps);
  EXPECT_FALSE(meta().unstable);
  EXPECT_TRUE(inspect(2).gaps) << "also for who asks again";
}

TEST_F(SalvageTest, a_replica_whose_disk_refused_a_write_says_so) {
  startPair();
  put(twoCopies());
  fill(1);
  stores_[2]->failWrites(Errc::io);
  ASSERT_EQ(of(write(1, current(), ++sequence_, kMiB, std::string(kMiB, 'a'))).code, Errc::ok);
  stores_[2]->failWrites(Errc::ok);
  put(layout(current().epoch + 1, {{1, in}, {2, stale}}));
  adopt(2, current());
  EXPECT_TRUE(inspect(2).gaps);
  settle(100ms);
  EXPECT_TRUE(stores_[2]->load(kFile)->meta.partial) << "the next process knows, too";
}

// The primary that knows of it is heard later than this replica, which says that it has everything.
TEST_F(SalvageTest, what_was_refused_while_it_was_copied_is_not_forgotten_at_the_end_of_the_pass) {
  copyWithGap();
  storages_[3]->node().find(kFile)->lacks = true;
  ASSERT_TRUE(eventually([&] { return current().epoch > 2; })) << "it is in sync";
  settle(100ms);
  ASSERT_FALSE(stores_[3]->load(kFile)->meta.partial);
  put(layout(current().epoch + 1, {{1, in}, {3, stale}}));
  adopt(3, current());
  EXPECT_TRUE(inspect(3).gaps);
}

// All of them refused it, its writer was told and goes on.
TEST_F(SalvageTest, a_file_that_is_sealed_in_sync_has_no_gaps) {
  startPair();
  put(twoCopies());
  fill(1);
  for (int n : {1, 2}) stores_[n]->failWrites(Errc::noSpace);
  EXPECT_EQ(of(write(1, current(), ++sequence_, 1 * kMiB, std::string(kMiB, 'b'))).code, Errc::noSpace);
  for (int n : {1, 2}) stores_[n]->failWrites(Errc::ok);
  EXPECT_EQ(of(close(1, current(), ++sequence_)).code, Errc::ok);
  for (int n : {1, 2}) {
    ASSERT_TRUE(eventually([&] { return stateOnDisk(n) == FileState::closed; }));
    EXPECT_FALSE(inspect(n).gaps) << n;
  }
}

// What its primary believes it to have is not there any more.
TEST_F(SalvageTest, after_the_cut_nothing_comes_before_it_has_joined_anew) {
  startTracker();
  startStorage(3);
  put(layout(2, {{1, in}, {3, syncing}}));
  probe(3);
  ASSERT_EQ(replicate(3, 0, "0123456789"), Errc::ok);
  settle(5s);
  ASSERT_EQ(salvage(3, current(), 4).size, 4u);
  EXPECT_EQ(replicate(3, 10, "abc"), Errc::notInSync);
  probe(3, Errc::notInSync);  // before the catalog can have been changed
  EXPECT_EQ(content(3), "0123");
  settle(12s);
  EXPECT_EQ(replicate(3, 10, "abc"), Errc::notInSync);
  probe(3);
  EXPECT_EQ(replicate(3, 10, "abc"), Errc::ok);
}

}  // namespace
}  // namespace vcfs::storage
