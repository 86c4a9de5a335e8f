#include "cluster_fixture.h"

// Servers that die in every phase; what survives is what was acknowledged. Faults: a process dies (connections reset,
// its disk stays), a host is cut off, a disk says no.
namespace vcfs::storage {
namespace {

constexpr auto in = ReplicaState::inSync;
constexpr auto syncing = ReplicaState::syncing;
constexpr auto stale = ReplicaState::stale;

class StorageCluster : public ClusterTest {
 protected:
  void SetUp() override {
    startPair();
    put(twoCopies());
  }
  // Asks server n to remove its replica, up to this epoch; how many it kept.
  std::uint32_t removedKeeping(int n, Epoch upTo) {
    auto request = to(n).removeRequest();
    request.initInodes(1).set(0, kFile);
    request.initEpochs(1).set(0, upTo);
    std::optional<std::uint32_t> kept;
    auto sent = request.send().then([&](auto&& response) { kept = response.getKept().size(); });
    auto running = sent.eagerlyEvaluate(nullptr);
    EXPECT_TRUE(eventually([&] { return kept.has_value(); }));
    return *kept;
  }
};

TEST_F(StorageCluster, write_is_on_both_replicas_when_it_is_acknowledged) {
  const Reply reply = of(write(1, twoCopies(), 1, 0, "hello"));
  EXPECT_EQ(reply.code, Errc::ok);
  EXPECT_EQ(reply.size, 5u);
  EXPECT_EQ(content(1), "hello");
  EXPECT_EQ(content(2), "hello");
}

TEST_F(StorageCluster, read_gives_published_bytes_and_nothing_beyond) {
  of(write(1, twoCopies(), 1, 0, "hello world"));
  EXPECT_EQ(of(read(1, twoCopies(), 6, 100)).data, "world");
  EXPECT_EQ(of(read(1, twoCopies(), 50, 10)).data, "");
}

TEST_F(StorageCluster, file_without_bytes_reads_empty) {
  const Reply reply = of(read(1, twoCopies(), 0, 10));
  EXPECT_EQ(reply.code, Errc::ok);
  EXPECT_EQ(reply.data, "");
}

TEST_F(StorageCluster, follower_does_not_serve_an_open_file) {
  of(write(1, twoCopies(), 1, 0, "hello"));
  const Reply reply = of(read(2, twoCopies(), 0, 5));
  EXPECT_EQ(reply.code, Errc::notPrimary);
  EXPECT_EQ(reply.newer.epoch, 1u);
}

TEST_F(StorageCluster, closed_file_is_sealed_on_both_and_served_by_both) {
  of(write(1, twoCopies(), 1, 0, "hello"));
  const Reply closed = of(close(1, twoCopies(), 2));
  EXPECT_EQ(closed.state, FileState::closed);
  EXPECT_EQ(stateOnDisk(1), FileState::closed);
  EXPECT_EQ(stateOnDisk(2), FileState::closed);
  EXPECT_EQ(of(read(2, twoCopies(), 0, 5)).data, "hello");
}

TEST_F(StorageCluster, small_file_is_created_written_and_closed_in_one_call) {
  const Reply reply = of(write(1, twoCopies(), 1, 0, "tiny", schema::WRITE_FLAG_CLOSE));
  EXPECT_EQ(reply.code, Errc::ok);
  EXPECT_EQ(reply.state, FileState::closed);
  EXPECT_EQ(stateOnDisk(1), FileState::closed);
  EXPECT_EQ(stateOnDisk(2), FileState::closed);
  EXPECT_EQ(content(2), "tiny");
}

TEST_F(StorageCluster, close_is_told_to_the_tracker) {
  of(write(1, twoCopies(), 1, 0, "tiny", schema::WRITE_FLAG_CLOSE));
  EXPECT_TRUE(eventually([&] { return tracker_.files[kFile].state == FileState::closed; }, 2s));
  EXPECT_EQ(tracker_.files[kFile].size, 4u);
}

TEST_F(StorageCluster, file_that_was_never_written_is_closed_with_no_bytes) {
  of(open(1, twoCopies()));
  EXPECT_EQ(of(close(1, twoCopies(), 1)).state, FileState::closed);
  EXPECT_EQ(content(1), "");
  EXPECT_EQ(stateOnDisk(2), FileState::closed);
}

TEST_F(StorageCluster, writing_a_closed_file_opens_it_again) {
  of(write(1, twoCopies(), 1, 0, "tiny", schema::WRITE_FLAG_CLOSE));
  EXPECT_EQ(of(write(1, twoCopies(), 2, 4, "!!")).state, FileState::open);
  EXPECT_EQ(stateOnDisk(1), FileState::open);
  EXPECT_EQ(stateOnDisk(2), FileState::open);
  EXPECT_EQ(of(close(1, twoCopies(), 3)).size, 6u);
}

TEST_F(StorageCluster, repeated_write_is_not_executed_again) {
  of(write(1, twoCopies(), 1, 0, "aaaa"));
  of(write(1, twoCopies(), 2, 0, "bbbb"));
  EXPECT_EQ(of(write(1, twoCopies(), 1, 0, "aaaa")).code, Errc::ok);
  EXPECT_EQ(content(1), "bbbb");
  EXPECT_EQ(content(2), "bbbb");
}

TEST_F(StorageCluster, appends_of_two_clients_are_all_there) {
  auto one = write(1, twoCopies(), 1, 0, "11", schema::WRITE_FLAG_APPEND, 7);
  auto two = write(1, twoCopies(), 1, 0, "22", schema::WRITE_FLAG_APPEND, 8);
  auto three = write(1, twoCopies(), 2, 0, "33", schema::WRITE_FLAG_APPEND, 7);
  of(one), of(two), of(three);
  EXPECT_EQ(content(1).size(), 6u);
  EXPECT_EQ(content(1), content(2));
}

TEST_F(StorageCluster, repeated_append_is_not_executed_again) {
  of(write(1, twoCopies(), 1, 0, "11", schema::WRITE_FLAG_APPEND));
  EXPECT_EQ(of(write(1, twoCopies(), 1, 0, "11", schema::WRITE_FLAG_APPEND)).size, 2u);
}

TEST_F(StorageCluster, truncate_keeps_its_place_among_writes) {
  auto one = write(1, twoCopies(), 1, 0, "abcdef");
  auto two = truncate(1, twoCopies(), 2, 3);
  auto three = write(1, twoCopies(), 3, 3, "XY");
  of(one), of(two);
  EXPECT_EQ(of(three).size, 5u);
  EXPECT_EQ(content(1), "abcXY");
  EXPECT_EQ(content(2), "abcXY");
}

TEST_F(StorageCluster, wait_growth_answers_when_bytes_are_published) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  auto waiting = waitGrowth(1, twoCopies(), 3, 5000);
  settle(100ms);
  EXPECT_FALSE(waiting->answered);
  of(write(1, twoCopies(), 2, 3, "def"));
  EXPECT_EQ(of(waiting).size, 6u);
}

TEST_F(StorageCluster, wait_growth_ends_with_its_time) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  EXPECT_EQ(of(waitGrowth(1, twoCopies(), 3, 500)).size, 3u);
}

TEST_F(StorageCluster, second_writer_keeps_the_file_open) {
  of(write(1, twoCopies(), 1, 0, "a", 0, 7));
  of(write(1, twoCopies(), 1, 1, "b", 0, 8));
  EXPECT_EQ(of(close(1, twoCopies(), 2, 7)).state, FileState::open);
  EXPECT_EQ(of(close(1, twoCopies(), 2, 8)).state, FileState::closed);
}

TEST_F(StorageCluster, vanished_writer_leaves_a_recovered_file) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  dropClient(7);
  EXPECT_TRUE(eventually([&] { return stateOnDisk(2) == FileState::recovered; }, 12s));
  EXPECT_TRUE(eventually([&] { return tracker_.files[kFile].state == FileState::recovered; }, 2s));
  EXPECT_EQ(content(1), "abc");
}

TEST_F(StorageCluster, pings_keep_a_quiet_writer) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  for (int i = 0; i < 15; ++i) {
    to(1).pingRequest().send().ignoreResult().detach([](kj::Exception&&) {});
    settle(1s);
  }
  EXPECT_EQ(stateOnDisk(1), FileState::open);
}

// A tracker that stalled asks for it when another one has had it removed, and placed here again.
TEST_F(StorageCluster, replica_that_is_newer_than_its_removal_is_kept) {
  of(write(1, twoCopies(), 1, 0, "hello"));
  EXPECT_EQ(removedKeeping(2, 0), 1u);
  EXPECT_EQ(content(2), "hello");
  EXPECT_EQ(of(write(1, twoCopies(), 2, 5, " again")).code, Errc::ok);
  EXPECT_EQ(content(2), "hello again");
  crash(2);
  startStorage(2);
  EXPECT_EQ(removedKeeping(2, 0), 1u) << "what only the disk knows";
  EXPECT_EQ(removedKeeping(2, current().epoch), 0u);
  EXPECT_FALSE(stores_.at(2)->load(kFile));
}

// A disk that turned read-only. The catalog must not forget what is still there.
TEST_F(StorageCluster, replica_that_the_disk_does_not_delete_is_kept) {
  of(write(1, twoCopies(), 1, 0, "hello"));
  stores_.at(2)->failRemovals(Errc::readOnly);
  EXPECT_EQ(removedKeeping(2, 1), 1u);
  EXPECT_EQ(content(2), "hello");
  stores_.at(2)->failRemovals(Errc::ok);
  EXPECT_EQ(removedKeeping(2, 1), 0u);
  EXPECT_FALSE(stores_.at(2)->load(kFile));
}

class RemovedFollower : public StorageCluster {
 protected:
  void SetUp() override {
    StorageCluster::SetUp();
    put(twoCopies());
    ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "abc")).code, Errc::ok);
    auto remove = to(2).removeRequest();
    remove.initInodes(1).set(0, kFile);
    auto removed = remove.send();
    settle(100ms);
    ASSERT_FALSE(stores_[2]->load(kFile));
  }
};

TEST_F(RemovedFollower, makes_no_file_of_what_an_old_primary_sends) {
  put(layout(2, {{1, in}}));  // nobody has told the primary
  EXPECT_EQ(of(write(1, twoCopies(), 2, 3, "def")).code, Errc::ok);
  EXPECT_FALSE(stores_[2]->load(kFile)) << content(2);
  EXPECT_EQ(of(read(1, current(), 0, 10)).data, "abcdef");
}

TEST_F(RemovedFollower, leaves_its_primary_to_another_one_that_is_the_primary_by_now) {
  startStorage(3);
  put(layout(2, {{3, in}, {1, stale}}));
  EXPECT_EQ(of(write(1, twoCopies(), 2, 3, "def")).code, Errc::staleEpoch);
  EXPECT_FALSE(stores_[2]->load(kFile)) << content(2);
}

// Somebody had it deleted who did not come to tell a tracker.
TEST_F(RemovedFollower, that_the_catalog_still_counts_is_given_up) {
  EXPECT_EQ(of(write(1, twoCopies(), 2, 3, "def")).code, Errc::ok);
  EXPECT_FALSE(stores_[2]->load(kFile)) << content(2);
  EXPECT_EQ(current().epoch, 2u);
  EXPECT_EQ(of(read(1, current(), 0, 10)).data, "abcdef");
}

TEST_F(RemovedFollower, is_waited_for_until_a_tracker_has_given_it_up) {
  network_.cut("s1", "t1");
  network_.cut("t1", "s1");
  auto written = write(1, twoCopies(), 2, 3, "def");
  auto synced = sync(1, twoCopies(), 3);
  settle(5s);
  EXPECT_FALSE(written->answered);
  EXPECT_FALSE(synced->answered);
  EXPECT_EQ(of(read(1, twoCopies(), 0, 10)).data, "abc") << "what is published is read";
  network_.heal("s1", "t1");
  network_.heal("t1", "s1");
  EXPECT_EQ(of(written).code, Errc::ok);
  EXPECT_EQ(of(synced).code, Errc::ok);
}

// The file lives on elsewhere: a reader, or who is being caught up, asks a tracker where.
TEST_F(StorageCluster, replica_that_is_removed_while_its_disk_is_asked_is_not_said_to_be_a_file_that_is_gone) {
  diskDelay_ = 20ms;
  startStorage(3);
  const Layout here = layout(1, {{3, ReplicaState::inSync}});
  put(here);
  of(write(3, here, 1, 0, "hello"));
  const auto answers = std::make_shared<std::vector<Errc>>();
  const auto note = [answers](auto&& response) {
    answers->push_back(static_cast<Errc>(response.getStatus().getCode()));
  };
  const auto failed = [answers](kj::Exception&&) { answers->push_back(Errc::timeout); };
  auto seek = to(3).seekRequest();
  seek.setInode(kFile);
  seek.setEpoch(1);
  seek.send().then(note).detach(failed);
  auto fetch = to(3).fetchRequest();
  fetch.setInode(kFile);
  fetch.setLength(5);
  fetch.send().then(note).detach(failed);
  settle(1ms);
  ASSERT_TRUE(answers->empty()) << "the disk has answered";
  auto remove = to(3).removeRequest();
  remove.initInodes(1).set(0, kFile);
  remove.send().ignoreResult().detach([](kj::Exception&&) {});
  settle(1ms);
  stores_.at(3)->remove(kFile);  // another thread of the disk's has been quicker
  ASSERT_TRUE(eventually([&] { return answers->size() == 2; }));
  EXPECT_EQ(*answers, (std::vector<Errc>{Errc::staleEpoch, Errc::staleEpoch}));
}

TEST_F(StorageCluster, older_epoch_is_refused_with_the_newer_layout) {
  of(write(1, layout(5, {{1, in}, {2, in}}), 1, 0, "abc"));
  const Reply reply = of(write(1, twoCopies(), 2, 3, "def"));
  EXPECT_EQ(reply.code, Errc::staleEpoch);
  EXPECT_EQ(reply.newer.epoch, 5u);
}

TEST_F(StorageCluster, server_that_is_not_primary_refuses_writes) {
  EXPECT_EQ(of(write(2, twoCopies(), 1, 0, "abc")).code, Errc::notPrimary);
}

TEST_F(StorageCluster, dead_follower_is_reported_and_the_write_is_acknowledged_without_it) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  crash(2);
  const TimePoint before = clock_.now();
  const Reply reply = of(write(1, twoCopies(), 2, 3, "def"));
  // The file went on in a newer epoch meanwhile, or is told so and repeats.
  if (reply.code != Errc::ok) {
    EXPECT_EQ(reply.code, Errc::staleEpoch);
    EXPECT_EQ(of(write(1, current(), 2, 3, "def")).code, Errc::ok);
  }
  EXPECT_LT(clock_.now() - before, Duration(100ms));
  EXPECT_EQ(current().epoch, 2u);
  EXPECT_EQ(of(read(1, current(), 0, 10)).data, "abcdef");
}

TEST_F(StorageCluster, cut_off_follower_is_given_up_within_seconds) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  network_.cut("s1", "s2");
  network_.cut("s2", "s1");
  const TimePoint before = clock_.now();
  of(write(1, twoCopies(), 2, 3, "def"));
  EXPECT_LT(clock_.now() - before, Duration(3s));
  EXPECT_EQ(current().epoch, 2u);
}

TEST_F(StorageCluster, write_waits_while_no_tracker_can_be_asked) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  network_.cut("s1", "t1");
  network_.cut("t1", "s1");
  crash(2);
  auto waiting = write(1, twoCopies(), 2, 3, "def");
  settle(5s);
  EXPECT_FALSE(waiting->answered);
  EXPECT_EQ(of(stat(1, twoCopies())).size, 3u) << "a byte was published that only one replica has";
  network_.heal("s1", "t1");
  network_.heal("t1", "s1");
  EXPECT_EQ(of(waiting).code, Errc::ok);
}

TEST_F(StorageCluster, follower_takes_over_with_everything_acknowledged) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  of(write(1, twoCopies(), 2, 3, "def"));
  crash(1);
  const Layout next = tracker_.lose(kFile, 1, 1);
  EXPECT_EQ(of(read(2, next, 0, 10)).data, "abcdef");
  EXPECT_EQ(of(write(2, next, 2, 3, "def")).code, Errc::ok) << "the replay of what was executed";
  EXPECT_EQ(of(write(2, next, 3, 6, "ghi")).size, 9u);
  EXPECT_EQ(of(close(2, next, 4)).state, FileState::closed);
}

TEST_F(StorageCluster, replaced_primary_cannot_acknowledge) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  const Layout next = tracker_.lose(kFile, 1, 1);
  of(write(2, next, 2, 3, "new"));
  // The old one was not told.
  const Reply reply = of(write(1, twoCopies(), 2, 3, "old"));
  EXPECT_NE(reply.code, Errc::ok);
  EXPECT_EQ(of(read(2, next, 0, 10)).data, "abcnew");
}

TEST_F(StorageCluster, write_on_its_way_survives_the_next_epoch_of_its_primary) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  network_.setDelay([](const std::string& from, const std::string&) { return Duration(from == "s1" ? 20ms : 0ms); });
  auto waiting = write(1, twoCopies(), 2, 3, "def");
  settle(5ms);
  const Layout next = layout(2, {{1, in}, {2, in}});
  put(next);
  auto told = read(2, next, 0, 1);  // the follower learns the epoch first
  settle(1ms);
  EXPECT_EQ(of(waiting).code, Errc::ok);
  EXPECT_EQ(content(2), "abcdef");
  EXPECT_EQ(of(write(1, next, 3, 6, "ghi")).code, Errc::ok) << "its primary is not deposed";
  EXPECT_EQ(current().epoch, 2u);
}

TEST_F(StorageCluster, refused_write_is_executed_when_it_is_repeated) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  network_.setDelay([](const std::string& from, const std::string&) { return Duration(from == "s1" ? 20ms : 0ms); });
  auto waiting = write(1, twoCopies(), 2, 3, "def");
  settle(5ms);
  const Layout next = layout(3, {{1, in}, {2, in}});  // one epoch was not seen: who was its primary?
  put(next);
  auto told = read(2, next, 0, 1);
  EXPECT_EQ(of(waiting).code, Errc::staleEpoch);
  EXPECT_EQ(content(2), "abc");
  EXPECT_EQ(of(write(1, next, 2, 3, "def")).code, Errc::ok);
  EXPECT_TRUE(eventually([&] { return content(2) == "abcdef"; })) << "it is caught up, see safety_test.cpp";
}

TEST_F(StorageCluster, refusal_of_an_epoch_that_is_over_costs_the_replica_and_not_the_primary) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  network_.setDelay([](const std::string& from, const std::string&) { return Duration(from == "s1" ? 20ms : 0ms); });
  auto waiting = write(1, twoCopies(), 2, 3, "def");
  settle(5ms);
  const Layout next = layout(3, {{1, in}, {2, in}});
  put(next);
  auto toFollower = read(2, next, 0, 1);
  auto toPrimary = stat(1, next);
  EXPECT_EQ(of(waiting).code, Errc::ok);
  EXPECT_EQ(current().epoch, 4u);
  EXPECT_EQ(current().replicas[1].state, stale);
  EXPECT_EQ(of(write(1, current(), 3, 6, "ghi")).size, 9u);
}

TEST_F(StorageCluster, writer_of_a_lost_primary_has_a_full_lease_at_the_next) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  crash(1);
  dropClient(7);
  const Layout next = tracker_.lose(kFile, 1, 1);
  of(stat(2, next));
  settle(5s);
  EXPECT_EQ(stateOnDisk(2), FileState::open);
  EXPECT_TRUE(eventually([&] { return stateOnDisk(2) == FileState::recovered; }, 10s));
}

TEST_F(StorageCluster, new_replica_joins_a_live_file_and_gets_everything) {
  startStorage(3);
  tracker_.spare = 3;
  std::string expected(300'000, 'a');
  of(write(1, twoCopies(), 1, 0, expected));
  crash(2);
  std::uint64_t sequence = 2;
  // Written on while the third copies.
  for (int i = 0; i < 50; ++i) {
    const std::string piece(1000, static_cast<char>('b' + i % 20));
    Reply reply = of(write(1, current(), sequence, expected.size(), piece));
    while (reply.code == Errc::staleEpoch) reply = of(write(1, current(), sequence, expected.size(), piece));
    ASSERT_EQ(reply.code, Errc::ok);
    ++sequence;
    expected += piece;
    settle(5ms);
  }
  EXPECT_TRUE(eventually([&] { return current().replicas.size() == 3 && current().replicas[2].state == in; }, 20s));
  of(write(1, current(), sequence, 10, "XXX"));
  expected.replace(10, 3, "XXX");
  EXPECT_EQ(content(1), expected);
  EXPECT_EQ(content(3), expected);
}

TEST_F(StorageCluster, overwrite_during_catch_up_is_not_undone) {
  startStorage(3);
  tracker_.spare = 3;
  std::string expected(2'000'000, 'a');
  for (int i = 0; i < 2; ++i) {
    of(write(1, twoCopies(), static_cast<std::uint64_t>(i) + 1, static_cast<std::uint64_t>(i) * 1'000'000,
             expected.substr(0, 1'000'000)));
  }
  network_.setDelay([](const std::string&, const std::string&) { return Duration(3ms); });
  crash(2);
  std::uint64_t sequence = 3;
  for (int i = 0; i < 60; ++i) {
    const std::uint64_t at = static_cast<std::uint64_t>(i) * 33'000;
    Reply reply = of(write(1, current(), sequence, at, "LIVE"));
    while (reply.code == Errc::staleEpoch) reply = of(write(1, current(), sequence, at, "LIVE"));
    ASSERT_EQ(reply.code, Errc::ok);
    ++sequence;
    expected.replace(at, 4, "LIVE");
  }
  EXPECT_TRUE(
      eventually([&] { return current().replicas.back().storage == 3 && current().replicas.back().state == in; }));
  EXPECT_EQ(content(1), expected);
  EXPECT_EQ(content(3), expected);
}

TEST_F(StorageCluster, returning_server_is_made_equal) {
  of(write(1, twoCopies(), 1, 0, std::string(200'000, 'a')));
  crash(2);
  of(write(1, current(), 2, 100'000, std::string(200'000, 'b')));
  const Reply closed = of(close(1, current(), 3));
  if (closed.code == Errc::staleEpoch) of(close(1, current(), 3));
  stores_[2]->corrupt(kFile, 5, "unacknowledged");
  startStorage(2);
  EXPECT_TRUE(eventually([&] { return current().replicas[1].state == in; }, 20s));
  EXPECT_EQ(content(2), content(1));
  EXPECT_TRUE(eventually([&] { return stateOnDisk(2) == FileState::closed; }, 2s));
  EXPECT_EQ(of(read(2, current(), 0, 3)).data, "aaa");
}

TEST_F(StorageCluster, longer_stale_replica_is_cut) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  crash(2);
  stores_[2]->corrupt(kFile, 3, "never acknowledged");
  Reply closed = of(close(1, current(), 2));
  if (closed.code == Errc::staleEpoch) closed = of(close(1, current(), 2));
  ASSERT_EQ(closed.code, Errc::ok);
  startStorage(2);
  EXPECT_TRUE(eventually([&] { return current().replicas[1].state == in; }, 20s));
  EXPECT_EQ(content(2), "abc");
}

TEST_F(StorageCluster, restarted_primary_asks_before_it_serves_an_open_file) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  crash(1);
  startStorage(1);
  EXPECT_TRUE(eventually([&] { return current().epoch > 1; }, 5s)) << "it reports itself";
  EXPECT_EQ(current().primary()->storage, 2u);
  EXPECT_NE(of(read(1, twoCopies(), 0, 3)).code, Errc::ok);
  EXPECT_TRUE(eventually([&] { return current().replicas[1].state == in; }, 20s));
  EXPECT_EQ(content(1), "abc");
}

TEST_F(StorageCluster, both_restarted_go_on_with_what_is_there) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  crash(1);
  crash(2);
  startStorage(1);
  startStorage(2);
  EXPECT_TRUE(eventually([&] {
    const Reply reply = of(read(static_cast<int>(current().primary()->storage), current(), 0, 3));
    return reply.code == Errc::ok && reply.data == "abc";
  }));
}

TEST_F(StorageCluster, lost_power_does_not_lose_what_was_synced) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  of(sync(1, twoCopies(), 2));
  of(write(1, twoCopies(), 3, 3, "def"));
  crash(1);
  stores_[1]->losePower();
  EXPECT_EQ(content(1), "abc");
  startStorage(1);
  EXPECT_TRUE(eventually([&] { return current().primary()->storage == 2 && current().replicas[1].state == in; }, 20s));
  EXPECT_EQ(content(1), "abcdef") << "the other replica had it";
}

TEST_F(StorageCluster, disk_error_of_a_follower_costs_only_that_replica) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  stores_[2]->failWrites(Errc::io);
  Reply reply = of(write(1, twoCopies(), 2, 3, "def"));
  EXPECT_EQ(reply.code, Errc::ok);
  EXPECT_EQ(current().epoch, 2u);
}

TEST_F(StorageCluster, disk_error_of_the_primary_makes_another_one_primary) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  stores_[1]->failWrites(Errc::io);
  EXPECT_EQ(of(write(1, twoCopies(), 2, 3, "def")).code, Errc::staleEpoch);
  EXPECT_EQ(current().primary()->storage, 2u);
  EXPECT_EQ(of(write(2, current(), 2, 3, "def")).size, 6u);
}

TEST_F(StorageCluster, disk_error_of_the_only_replica_is_told) {
  put(layout(1, {{1, in}}));
  of(write(1, current(), 1, 0, "abc"));
  stores_[1]->failWrites(Errc::io);
  EXPECT_EQ(of(write(1, current(), 2, 3, "def")).code, Errc::io);
  stores_[1]->failWrites(Errc::ok);
  EXPECT_EQ(of(write(1, current(), 2, 3, "def")).size, 6u) << "the failed call may be repeated";
}

TEST_F(StorageCluster, full_disks_everywhere_are_told_and_room_heals) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  stores_[1]->failWrites(Errc::noSpace);
  stores_[2]->failWrites(Errc::noSpace);
  EXPECT_EQ(of(write(1, twoCopies(), 2, 3, "def")).code, Errc::noSpace);
  stores_[1]->failWrites(Errc::ok);
  stores_[2]->failWrites(Errc::ok);
  EXPECT_EQ(of(write(1, twoCopies(), 2, 3, "def")).size, 6u);
  EXPECT_EQ(content(2), "abcdef");
  EXPECT_EQ(current().epoch, 1u);
}

TEST_F(StorageCluster, full_disk_of_one_server_is_not_the_writers_problem) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  stores_[1]->failWrites(Errc::noSpace);
  EXPECT_EQ(of(write(1, twoCopies(), 2, 3, "def")).code, Errc::staleEpoch);
  EXPECT_EQ(of(write(2, current(), 2, 3, "def")).code, Errc::ok);
}

TEST_F(StorageCluster, garbage_is_refused_and_does_no_harm) {
  EXPECT_EQ(of(write(1, layout(1, {{1, in}, {2, in}}, 0), 1, 0, "x")).code, Errc::invalid);
  EXPECT_EQ(of(write(1, layout(1, {{1, in}, {2, in}}, 1ULL << 63), 1, 0, "x")).code, Errc::invalid);
  EXPECT_EQ(of(write(1, layout(0, {{1, in}, {2, in}}), 1, 0, "x")).code, Errc::invalid);
  EXPECT_EQ(of(write(1, twoCopies(), 0, 0, "x")).code, Errc::invalid);
  EXPECT_EQ(of(write(1, twoCopies(), 1, 0, "x", 0x80)).code, Errc::invalid);
  EXPECT_EQ(of(write(1, twoCopies(), 1, UINT64_MAX - 1, "xyz")).code, Errc::tooLarge);
  EXPECT_EQ(of(write(1, twoCopies(), 1, 0, std::string((1u << 20) + 1, 'x'))).code, Errc::invalid);
  EXPECT_EQ(of(read(1, twoCopies(), 0, UINT32_MAX)).code, Errc::invalid);
  Layout twice = twoCopies();
  twice.replicas[1].storage = 1;
  EXPECT_EQ(of(write(1, twice, 1, 0, "x")).code, Errc::invalid);
  EXPECT_EQ(of(write(1, twoCopies(), 1, 0, "good")).code, Errc::ok);
  EXPECT_EQ(content(1), "good");
}

TEST_F(StorageCluster, epoch_is_on_the_disk_of_every_replica) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  of(write(1, layout(4, {{1, in}, {2, in}}), 2, 3, "def"));
  settle(10ms);
  EXPECT_EQ(epochOnDisk(1), 4u);
  EXPECT_EQ(epochOnDisk(2), 4u);
}

}  // namespace
}  // namespace vcfs::storage
