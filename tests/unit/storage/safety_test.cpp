#include "cluster_fixture.h"

// Ways in which a byte that was acknowledged could get lost, or replicas could differ, each narrow and each closed.
namespace vcfs::storage {
namespace {

constexpr auto in = ReplicaState::inSync;
constexpr auto syncing = ReplicaState::syncing;
constexpr auto stale = ReplicaState::stale;

class Safety : public ClusterTest {
 protected:
  void SetUp() override { startPair(); }
  Node& node(int n) { return storages_.at(n)->node(); }
  bool isInSync(StorageId storage) {
    for (const Replica& replica : current().replicas) {
      if (replica.storage == storage) return replica.state == in;
    }
    return false;
  }
  // The only replica is on server 1, whose disk takes a while for everything.
  void aloneOnSlowDisk() {
    crash(1);
    diskDelay_ = 50ms;
    startStorage(1);
    settle(2s);
    put(layout(1, {{1, in}}));
  }
  // What a client with several calls under way sends.
  ReplyPtr writeBehind(int n, Layout layout, std::uint64_t first, std::uint64_t sequence, std::uint64_t offset,
                       std::string data);
  void adopt(int n, const Layout& layout) {
    auto request = to(n, 99).adoptRequest();
    schema::fill(request.initLayout(), layout);
    request.send().ignoreResult().detach([](kj::Exception&&) {});
  }
};

ClusterTest::ReplyPtr Safety::writeBehind(int n, Layout layout, std::uint64_t first, std::uint64_t sequence,
                                          std::uint64_t offset, std::string data) {
  auto request = to(n, 7).writeRequest();
  request.setInode(layout.inode);
  request.setEpoch(layout.epoch);
  schema::fill(request.initLayout(), layout);
  request.getWriter().setClient(7);
  request.getWriter().setSequence(sequence);
  request.getWriter().setFirst(first);
  request.setOffset(offset);
  request.setData(schema::toData(data));
  auto reply = std::make_shared<Reply>();
  request.send()
      .then([reply](auto&& response) {
        reply->answered = true;
        reply->code = static_cast<Errc>(response.getStatus().getCode());
      })
      .detach([](kj::Exception&&) {});
  return reply;
}

// ---- a replica that joins

class LostWhileJoining : public Safety, public ::testing::WithParamInterface<int> {};

// The primary gives the joining replica up at some moment; the replica does not know, and its word that it has
// everything reaches the tracker before the primary's.
TEST_P(LostWhileJoining, nothing_is_acknowledged_without_it_that_it_lacks_when_it_becomes_in_sync) {
  put(layout(1, {{1, in}}));
  ASSERT_EQ(of(write(1, current(), 1, 0, std::string(100'000, 'a'))).code, Errc::ok);
  diskDelay_ = 20ms;
  startStorage(3);
  network_.setDelay([](const std::string& from, const std::string& to) {
    return from == "s1" && to[0] == 't' ? Duration(300ms) : Duration(200us);
  });
  put(layout(2, {{1, in}, {3, syncing}}));
  of(stat(1, current()));
  settle(std::chrono::milliseconds(GetParam()));
  if (isInSync(3)) return;
  node(1).replicaLost(node(1).find(kFile), 3, "for the test");
  const auto reply = write(1, current(), 2, 50'000, "ACKNOWLEDGED");
  bool checked = false;
  ASSERT_TRUE(eventually(
      [&] {
        const bool lacks = reply->answered && reply->code == Errc::ok && isInSync(3) && content(3) != content(1);
        EXPECT_FALSE(lacks && !checked) << "in sync without what was acknowledged";
        checked = checked || lacks;
        return checked || (reply->answered && isInSync(3));
      },
      60s))
      << (reply->answered ? "answered" : "not answered");
}

INSTANTIATE_TEST_SUITE_P(At, LostWhileJoining, ::testing::Range(0, 400, 10));

TEST_F(Safety, a_replica_that_was_caught_up_knows_what_was_executed) {
  put(layout(1, {{1, in}}));
  const auto append = schema::WRITE_FLAG_APPEND;
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_EQ(of(write(1, current(), i, 0, "line\n", append)).code, Errc::ok);
  startStorage(3);
  put(layout(2, {{1, in}, {3, syncing}}));
  of(stat(1, current()));
  ASSERT_TRUE(eventually([&] { return isInSync(3); }));
  crash(1);
  put(layout(9, {{3, in}, {1, stale}}));
  // The answer to the last one was lost with the primary.
  EXPECT_EQ(of(write(3, current(), 3, 0, "line\n", append)).code, Errc::ok);
  EXPECT_EQ(content(3), "line\nline\nline\n");
}

TEST_F(Safety, a_write_that_only_a_joining_replica_could_take_is_taken_back) {
  put(layout(1, {{1, in}}));
  ASSERT_EQ(of(write(1, current(), 1, 0, std::string(100'000, 'a'))).code, Errc::ok);
  options_.catchUpBytesPerSecond = 100'000;
  startStorage(3);
  put(layout(2, {{1, in}, {3, syncing}}));
  of(stat(1, current()));
  ASSERT_TRUE(eventually([&] { return !content(3).empty(); }));
  stores_[1]->failWrites(Errc::noSpace);
  EXPECT_EQ(of(write(1, current(), 2, 100'000, std::string(1000, 'b'))).code, Errc::noSpace);
  stores_[1]->failWrites(Errc::ok);
  ASSERT_TRUE(eventually([&] { return isInSync(3); }, 60s));
  EXPECT_EQ(content(3), content(1));
}

// ---- a client's order

TEST_F(Safety, a_write_behind_one_that_was_refused_is_not_executed_before_it) {
  put(twoCopies());
  ASSERT_EQ(of(writeBehind(1, twoCopies(), 1, 1, 0, "aaaa")).code, Errc::ok);
  // 2 was refused (its server was being checked, say); 3, which was sent together with it, comes when that is over.
  EXPECT_EQ(of(writeBehind(1, twoCopies(), 2, 3, 0, "cc")).code, Errc::unavailable);
  EXPECT_EQ(of(writeBehind(1, twoCopies(), 2, 2, 0, "bbb")).code, Errc::ok);
  EXPECT_EQ(of(writeBehind(1, twoCopies(), 2, 3, 0, "cc")).code, Errc::ok);
  EXPECT_EQ(content(1), "ccba");
  EXPECT_EQ(content(2), "ccba");
  // One that was given up by its client holds nothing up.
  EXPECT_EQ(of(writeBehind(1, twoCopies(), 9, 9, 0, "d")).code, Errc::ok);
}

// A program that appends learns that there is no room when it has written more. Room that came back in between would
// leave zeros in the middle of its file that nobody wrote.
TEST_F(Safety, what_was_written_behind_a_write_for_which_there_was_no_room_is_not_executed) {
  put(twoCopies());
  ASSERT_EQ(of(writeBehind(1, twoCopies(), 1, 1, 0, "kept")).code, Errc::ok);
  for (int n : {1, 2}) stores_[n]->failWrites(Errc::noSpace);
  EXPECT_EQ(of(writeBehind(1, twoCopies(), 2, 2, 4, "none")).code, Errc::noSpace);
  for (int n : {1, 2}) stores_[n]->failWrites(Errc::ok);
  EXPECT_EQ(of(writeBehind(1, twoCopies(), 2, 3, 8, "gap?")).code, Errc::noSpace);
  EXPECT_EQ(of(writeBehind(1, twoCopies(), 2, 4, 0, "KEPT")).code, Errc::ok);
  EXPECT_EQ(content(1), "KEPT");
  EXPECT_EQ(content(2), "KEPT");
  // What comes now comes from a program that was told.
  EXPECT_EQ(of(writeBehind(1, twoCopies(), 5, 5, 4, "told")).code, Errc::ok);
  EXPECT_EQ(content(1), "KEPTtold");
  EXPECT_EQ(content(2), "KEPTtold");
  EXPECT_EQ(current().epoch, 1u);
}

TEST_F(Safety, so_it_is_where_the_file_itself_could_not_be_made) {
  put(twoCopies());
  for (int n : {1, 2}) stores_[n]->failWrites(Errc::noSpace);
  EXPECT_EQ(of(writeBehind(1, twoCopies(), 1, 1, 0, "none")).code, Errc::noSpace);
  for (int n : {1, 2}) stores_[n]->failWrites(Errc::ok);
  EXPECT_EQ(of(writeBehind(1, twoCopies(), 1, 2, 4, "gap?")).code, Errc::noSpace);
  EXPECT_EQ(of(writeBehind(1, twoCopies(), 3, 3, 0, "told")).code, Errc::ok);
  EXPECT_EQ(content(1), "told");
  EXPECT_EQ(content(2), "told");
}

// ---- sealing

TEST_F(Safety, a_file_is_sealed_at_the_size_that_was_written_and_not_at_the_one_that_failed) {
  diskDelay_ = 5ms;
  crash(1);
  crash(2);
  startStorage(1);
  startStorage(2);
  put(twoCopies());
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "kept")).code, Errc::ok);
  for (int n : {1, 2}) stores_[n]->setCapacity(120'000);
  const auto failing = write(1, twoCopies(), 2, 4, std::string(100'000, 'x'));
  const auto closing = close(1, twoCopies(), 3);
  ASSERT_EQ(of(failing).code, Errc::noSpace);
  EXPECT_EQ(of(closing).size, 4u);
  settle();
  EXPECT_EQ(content(1), "kept");
  EXPECT_EQ(content(2), "kept");
  EXPECT_EQ(stores_[2]->load(kFile)->meta.sealedSize, 4u);
}

// The sync behind the failed write is still under way, so nobody has asked the disk yet how long the file is.
TEST_F(Safety, so_it_is_when_the_last_write_closes_it_while_a_sync_is_under_way) {
  diskDelay_ = 50ms;
  for (int n : {1, 2}) crash(n);
  for (int n : {1, 2}) startStorage(n);
  put(twoCopies());
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "kept")).code, Errc::ok);
  settle(1s);
  for (int n : {1, 2}) stores_[n]->setCapacity(120'000);
  const auto failing = write(1, twoCopies(), 2, 4, std::string(100'000, 'x'));
  const auto syncing = sync(1, twoCopies(), 3);
  ASSERT_EQ(of(failing).code, Errc::noSpace);
  ASSERT_FALSE(syncing->answered);
  const Reply closed = of(write(1, twoCopies(), 4, 4, "+", schema::WRITE_FLAG_CLOSE));
  EXPECT_EQ(closed.code, Errc::ok);
  EXPECT_EQ(closed.size, 5u);
  settle(1s);
  for (int n : {1, 2}) EXPECT_EQ(stores_[n]->load(kFile)->meta.sealedSize, 5u);
  for (int n : {1, 2}) EXPECT_EQ(content(n), "kept+");
}

// A recorder appends and patches its header at once; there is room for the header only.
TEST_F(Safety, a_write_behind_one_that_failed_publishes_none_of_its_bytes) {
  put(twoCopies());
  const std::string kept(50, 'k');
  ASSERT_EQ(of(writeBehind(1, twoCopies(), 1, 1, 0, kept)).code, Errc::ok);
  for (int n : {1, 2}) stores_[n]->setCapacity((64u << 10) + kept.size());
  const auto failing = writeBehind(1, twoCopies(), 2, 2, kept.size(), std::string(100, 'x'));
  const auto header = writeBehind(1, twoCopies(), 2, 3, 0, "header");
  ASSERT_EQ(of(failing).code, Errc::noSpace);
  ASSERT_EQ(of(header).code, Errc::ok);
  EXPECT_EQ(of(stat(1, twoCopies())).size, kept.size());
  const Reply appended = of(write(1, twoCopies(), 4, 0, "+", schema::WRITE_FLAG_APPEND));
  EXPECT_EQ(appended.offset, kept.size());
  EXPECT_EQ(of(close(1, twoCopies(), 5)).size, kept.size() + 1);
  settle(3s);
  for (int n : {1, 2}) EXPECT_EQ(content(n), "header" + kept.substr(6) + "+");
  EXPECT_EQ(current().epoch, 1u) << "a replica was given up";
}

TEST_F(Safety, a_primary_that_dies_before_it_told_the_closing_leaves_that_to_the_next_one) {
  put(twoCopies());
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "all", schema::WRITE_FLAG_CLOSE)).state, FileState::closed);
  crash(1);
  ASSERT_EQ(tracker_.files[kFile].state, FileState::open);
  put(layout(2, {{2, in}, {1, stale}}));
  adopt(2, current());
  EXPECT_TRUE(eventually([&] { return tracker_.files[kFile].state == FileState::closed; }, 3s));
  EXPECT_EQ(tracker_.files[kFile].size, 3u);
}

TEST_F(Safety, a_closing_that_was_told_in_an_epoch_that_is_over_is_told_again) {
  put(twoCopies());
  const auto closed = write(1, twoCopies(), 1, 0, "all", schema::WRITE_FLAG_CLOSE);
  put(layout(2, {{1, in}, {2, in}}));  // the server has not heard of it, and nobody tells it but the answer
  ASSERT_EQ(of(closed).state, FileState::closed);
  EXPECT_TRUE(eventually([&] { return tracker_.files[kFile].state == FileState::closed; }, 3s));
  EXPECT_EQ(tracker_.files[kFile].size, 3u);
}

TEST_F(Safety, a_closing_is_heard_although_the_clock_was_set_back_meanwhile) {
  put(twoCopies());
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "all")).code, Errc::ok);
  ASSERT_TRUE(eventually([&] { return tracker_.files[kFile].size == 3; }, 10s));
  clock_.setWall(-1h);
  ASSERT_EQ(of(write(1, twoCopies(), 2, 3, "more", schema::WRITE_FLAG_CLOSE)).state, FileState::closed);
  EXPECT_TRUE(eventually([&] { return tracker_.files[kFile].state == FileState::closed; }, 3s));
  EXPECT_EQ(tracker_.files[kFile].size, 7u);
}

TEST_F(Safety, after_a_take_over_the_last_close_does_not_wait_for_clients_that_left_before) {
  put(twoCopies());
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "a", 0, 7)).code, Errc::ok);
  ASSERT_EQ(of(write(1, twoCopies(), 1, 1, "b", 0, 8)).code, Errc::ok);
  ASSERT_EQ(of(close(1, twoCopies(), 2, 7)).code, Errc::ok);
  crash(1);
  put(layout(2, {{2, in}, {1, stale}}));
  EXPECT_EQ(of(close(2, current(), 2, 8)).state, FileState::closed);
}

// ---- a primary that was deposed

TEST_F(Safety, what_a_deposed_primary_had_under_way_does_not_stay_on_it_alone) {
  put(twoCopies());
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "old old old")).code, Errc::ok);
  network_.setDelay([](const std::string& from, const std::string& to) {
    return from == "s1" && to == "s2" ? Duration(20ms) : Duration(100us);
  });
  const auto lost = write(1, twoCopies(), 2, 0, "NEW");
  settle(5ms);
  put(layout(3, {{1, in}, {2, in}}));  // the catalog has gone on twice; the other one hears of it first
  adopt(2, current());
  EXPECT_EQ(of(lost).code, Errc::staleEpoch);
  // Its client dies. Both are in sync, and one of them has what was never acknowledged.
  ASSERT_NE(content(1), content(2));
  adopt(1, current());
  EXPECT_TRUE(eventually([&] { return content(1) == content(2); }, 60s));
  EXPECT_TRUE(eventually([&] { return isInSync(2); }, 60s));
}

TEST_F(Safety, a_replaced_primary_hears_it_from_its_successor_while_no_tracker_tells_it) {
  for (const auto state : {std::optional(stale), std::optional<ReplicaState>()}) {  // kept as stale, and dropped
    const InodeId inode = state ? kFile : kFile + 1;
    const Layout before = twoCopies(inode);
    put(before);
    ASSERT_EQ(of(write(1, before, 1, 0, "old")).code, Errc::ok);
    put(state ? layout(2, {{2, in}, {1, *state}}, inode) : layout(2, {{2, in}}, inode));
    ASSERT_EQ(of(write(2, current(inode), 2, 3, " and new")).code, Errc::ok);
    EXPECT_TRUE(eventually([&] { return node(1).find(inode)->replica.epoch() == 2; }, 1s));
    EXPECT_EQ(of(read(1, before, 0, 100)).code, Errc::staleEpoch);
  }
}

// ---- what the disk has not got

TEST_F(Safety, a_replica_whose_sync_failed_is_not_counted_as_stable_by_the_next_sync) {
  put(twoCopies());
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, std::string(100'000, 'a'), schema::WRITE_FLAG_CLOSE)).code, Errc::ok);
  stores_[2]->failSyncs(Errc::io);
  ASSERT_TRUE(eventually([&] { return node(2).counters.diskErrors != 0; }));
  stores_[2]->failSyncs(Errc::ok);
  ASSERT_TRUE(eventually([&] { return tracker_.failuresReported != 0; })) << "it does not report itself";
  ASSERT_TRUE(eventually([&] { return isInSync(2) && stores_[2]->activeFiles().empty(); }, 60s));
  stores_[2]->losePower();
  EXPECT_EQ(content(2), content(1));
}

TEST_F(Safety, the_only_replica_does_not_claim_a_sync_after_one_that_failed) {
  put(layout(1, {{1, in}}));
  ASSERT_EQ(of(write(1, current(), 1, 0, "abc")).code, Errc::ok);
  stores_[1]->failSyncs(Errc::io);
  EXPECT_EQ(of(sync(1, current(), 2)).code, Errc::io);
  stores_[1]->failSyncs(Errc::ok);
  EXPECT_EQ(of(sync(1, current(), 3)).code, Errc::io) << "the pages are gone";
  EXPECT_EQ(of(write(1, current(), 4, 3, "d")).code, Errc::ok);
  EXPECT_EQ(of(write(1, current(), 5, 4, "e", schema::WRITE_FLAG_SYNC)).code, Errc::io);
  EXPECT_EQ(of(write(1, current(), 6, 5, "f")).code, Errc::ok) << "what is written is taken all the same";
  // A second replica makes it good.
  startStorage(3);
  put(layout(2, {{1, in}, {3, syncing}}));
  of(stat(1, current()));
  ASSERT_TRUE(eventually([&] { return isInSync(3); }));
  of(stat(1, current()));  // it learns of that
  ASSERT_TRUE(eventually([&] { return isInSync(3) && isInSync(1) && current().epoch > 3; }, 60s));
  stores_[1]->losePower();
  EXPECT_EQ(content(1), "abcdef");
}

TEST_F(Safety, a_sync_that_stood_behind_one_that_failed_fails_too) {
  aloneOnSlowDisk();
  ASSERT_EQ(of(write(1, current(), 1, 0, "abc")).code, Errc::ok);
  ASSERT_EQ(of(write(1, current(), 1, 3, "def", 0, 8)).code, Errc::ok);
  stores_[1]->failSyncs(Errc::io);
  const auto first = sync(1, current(), 2);
  settle(10ms);
  const auto second = sync(1, current(), 2, 8);
  ASSERT_TRUE(eventually([&] { return stores_[1]->syncsFailed() != 0; }));
  stores_[1]->failSyncs(Errc::ok);
  EXPECT_EQ(of(first).code, Errc::io);
  EXPECT_EQ(of(second).code, Errc::io) << "its bytes went with those of the first";
}

// The kernel tells of it once, and of no file by name.
TEST_F(Safety, a_failed_sync_of_the_disk_concerns_the_files_that_were_open_too) {
  auto putSealed = [this](InodeId first) {
    for (InodeId inode = first; inode < first + 20; ++inode) {
      put(twoCopies(inode));
      ASSERT_EQ(of(write(1, twoCopies(inode), 1, 0, "abc", schema::WRITE_FLAG_CLOSE)).code, Errc::ok);
    }
  };
  put(twoCopies());
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "abc")).code, Errc::ok);
  ASSERT_NO_FATAL_FAILURE(putSealed(kFile + 1));
  stores_[2]->failSyncs(Errc::io);
  ASSERT_TRUE(eventually([&] { return stores_[2]->syncsFailed() >= 20; }));
  stores_[2]->failSyncs(Errc::ok);
  ASSERT_NO_FATAL_FAILURE(putSealed(kFile + 101));
  ASSERT_EQ(of(close(1, current(), 2)).code, Errc::ok);
  ASSERT_TRUE(eventually([&] { return stores_[2]->activeFiles().empty(); }, 60s));
  stores_[2]->losePower();
  EXPECT_EQ(content(2), "abc");
}

TEST_F(Safety, a_client_whose_last_write_fails_has_closed_the_file_all_the_same) {
  aloneOnSlowDisk();
  ASSERT_EQ(of(write(1, current(), 1, 0, "abc")).code, Errc::ok);
  stores_[1]->failWrites(Errc::noSpace);
  const auto before = write(1, current(), 2, 3, std::string(200'000, 'd'));
  const auto last = write(1, current(), 3, 200'003, "e", schema::WRITE_FLAG_CLOSE);
  EXPECT_EQ(of(before).code, Errc::noSpace);
  EXPECT_NE(of(last).code, Errc::ok);
  stores_[1]->failWrites(Errc::ok);
  EXPECT_TRUE(eventually([&] { return stateOnDisk(1) == FileState::closed; })) << "it stays open for ever";
  EXPECT_EQ(content(1), "abc");
}

TEST_F(Safety, others_learn_that_a_client_whose_last_write_failed_has_closed_the_file) {
  put(twoCopies());
  ASSERT_EQ(of(write(1, current(), 1, 0, "abc")).code, Errc::ok);
  ASSERT_EQ(of(write(1, current(), 1, 3, "def", 0, 8)).code, Errc::ok);
  for (int n : {1, 2}) stores_[n]->failWrites(Errc::noSpace);
  EXPECT_EQ(of(write(1, current(), 2, 6, "g", schema::WRITE_FLAG_CLOSE)).code, Errc::noSpace);
  for (int n : {1, 2}) stores_[n]->failWrites(Errc::ok);
  settle(1s);
  crash(1);
  put(layout(2, {{2, in}, {1, stale}}));
  EXPECT_EQ(of(close(2, current(), 2, 8)).state, FileState::closed);
  EXPECT_EQ(content(2), "abcdef");
}

TEST_F(Safety, a_file_of_which_the_power_cut_left_nothing_is_missed) {
  put(twoCopies());
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "all", schema::WRITE_FLAG_CLOSE)).code, Errc::ok);
  crash(1);
  stores_[1]->losePower();
  ASSERT_EQ(content(1), "");
  startStorage(1);
  EXPECT_TRUE(eventually([&] { return content(1) == "all" && isInSync(1); }, 60s));
}

TEST_F(Safety, a_file_that_the_power_cut_took_is_missed_though_its_layout_changes_meanwhile) {
  put(twoCopies());
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "all", schema::WRITE_FLAG_CLOSE)).code, Errc::ok);
  stores_[1]->markStable({kFile});  // nor does the list of active files, as it was last synced, know of it
  stores_[1]->syncActiveList();
  crash(1);
  stores_[1]->losePower();
  const Layout newer = layout(2, {{1, in}, {2, in}});
  startStorage(1, [&](Node& node) {
    auto known = node.enter(kFile, [&node, newer](FilePtr file) -> kj::Promise<void> {
      node.adopt(file, newer);
      return kj::READY_NOW;
    });
    known.detach([](kj::Exception&&) {});
  });
  settle(2s);
  put(newer);
  EXPECT_TRUE(eventually([&] { return content(1) == "all" && isInSync(1); }, 60s));
}

}  // namespace
}  // namespace vcfs::storage
