#include <capnp/message.h>

#include "cluster_fixture.h"
#include "vcfs/cluster.h"

// What a server makes of memory that was given up, disks that refuse, replicas that come and go, and writers of whom
// nobody knows whether they are still there.
namespace vcfs::storage {
namespace {

constexpr auto in = ReplicaState::inSync;
constexpr auto syncing = ReplicaState::syncing;

class Degraded : public ClusterTest {
 protected:
  void SetUp() override {
    startTracker();
    configure();
    startStorage(1);
    startStorage(2);
    put(twoCopies());
  }
  virtual void configure() {}

  // s1 goes down without what was last written, before the list of active files with this one was on stable storage.
  void losePowerUnlisted() {
    of(write(1, twoCopies(), 1, 0, "abc"));
    of(sync(1, twoCopies(), 2));
    of(write(1, twoCopies(), 3, 3, "def"));
    crash(1);
    stores_[1]->losePower();
    stores_[1]->markStable({kFile});
  }
  Node& node(int n) { return storages_.at(n)->node(); }
  void cut(const std::string& a, const std::string& b) {
    network_.cut(a, b);
    network_.cut(b, a);
  }
  std::uint64_t bytesToGo(int n) {
    capnp::MallocMessageBuilder message;
    auto info = message.initRoot<schema::FileInfo>();
    node(n).fillInfo(info, *node(n).find(kFile));
    return info.getBytesToGo();
  }
  // The clients' connections are alive; nothing else is heard of them.
  void ping(int n, std::vector<ClientId> clients, Duration time) {
    for (const TimePoint end = clock_.now() + time; clock_.now() < end; settle(500ms)) {
      for (ClientId client : clients) to(n, client).pingRequest().send().ignoreResult().detach([](kj::Exception&&) {});
    }
  }
};

// ---- memory

class SmallCache : public Degraded {
 protected:
  void configure() override {
    options_.cachedFiles = 0;
    options_.lease = Options::Millis(500);
  }
};

TEST_F(SmallCache, sealed_file_that_left_memory_is_found_on_the_disk_again) {
  put(twoCopies(kFile + 1));
  of(write(1, twoCopies(), 1, 0, "first", schema::WRITE_FLAG_CLOSE));
  of(write(1, twoCopies(kFile + 1), 1, 0, "second", schema::WRITE_FLAG_CLOSE));
  ASSERT_TRUE(eventually([&] { return !node(1).find(kFile) && !node(2).find(kFile); }));
  EXPECT_EQ(of(read(1, twoCopies(), 0, 10)).data, "first");
  EXPECT_EQ(of(write(1, twoCopies(), 2, 0, "+", schema::WRITE_FLAG_APPEND)).size, 6u);
  EXPECT_EQ(content(1), "first+");
  EXPECT_EQ(content(2), "first+");
}

TEST_F(SmallCache, files_of_which_nothing_is_here_leave_memory) {
  for (InodeId inode = kFile + 10; inode < kFile + 20; ++inode) {
    put(twoCopies(inode));
    of(stat(1, twoCopies(inode)));
    of(read(2, layout(3, {{1, in}}, inode), 0, 10));
  }
  const auto gone = [&](InodeId inode) { return !node(1).find(inode) && !node(2).find(inode); };
  for (InodeId inode = kFile + 10; inode < kFile + 20; ++inode) {
    EXPECT_TRUE(eventually([&] { return gone(inode); })) << inode;
  }
}

TEST_F(SmallCache, epoch_of_a_file_of_which_nothing_is_here_yet_is_not_forgotten) {
  put(layout(2, {{1, in}, {2, in}}));
  of(stat(1, current()));
  settle(10s);
  EXPECT_EQ(of(write(1, twoCopies(), 1, 0, "late")).code, Errc::staleEpoch);
}

// ---- replicas that come and go

TEST_F(Degraded, lost_syncing_replica_has_not_joined) {
  put(layout(1, {{1, in}, {3, syncing}}));
  cut("s1", "t1");
  of(write(1, current(), 1, 0, "abc"));
  ASSERT_TRUE(eventually([&] {
    const auto& slots = node(1).find(kFile)->slots;
    return !slots.empty() && slots.front().failed;
  }));
  EXPECT_GT(bytesToGo(1), 0u);
}

// ---- disks that refuse

TEST_F(Degraded, what_failed_at_a_follower_is_executed_when_it_is_repeated_there) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  stores_[2]->failWrites(Errc::noSpace);
  network_.cut("s2", "s1");
  write(1, twoCopies(), 2, 3, "def");
  settle(50ms);
  crash(1);
  stores_[2]->failWrites(Errc::ok);
  const Layout next = tracker_.lose(kFile, 1, 1);
  EXPECT_EQ(of(stat(2, next)).size, 3u) << "a size without bytes";
  EXPECT_EQ(of(write(2, next, 2, 3, "def")).size, 6u);
  EXPECT_EQ(content(2), "abcdef");
}

TEST_F(Degraded, large_write_that_failed_leaves_no_size_at_a_follower) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  stores_[2]->failWrites(Errc::noSpace);
  network_.cut("s2", "s1");
  write(1, twoCopies(), 2, 3, std::string(200'000, 'x'));
  settle(50ms);
  crash(1);
  EXPECT_EQ(of(stat(2, tracker_.lose(kFile, 1, 1))).size, 3u);
}

TEST_F(Degraded, first_write_that_failed_may_be_repeated) {
  put(layout(1, {{1, in}}));
  stores_[1]->setCapacity(2);
  EXPECT_EQ(of(write(1, current(), 1, 0, "abc")).code, Errc::noSpace);
  stores_[1]->setCapacity(1000);
  EXPECT_EQ(of(write(1, current(), 1, 0, "abc")).size, 3u);
  EXPECT_EQ(of(close(1, current(), 2)).state, FileState::closed);
  EXPECT_EQ(stateOnDisk(1), FileState::closed);
}

// Else clients would give up the primary, whose disk is well, for a follower whose disk hangs.
TEST(SyncLimit, a_primary_has_dropped_a_follower_that_does_not_sync_before_clients_have_waited_enough) {
  const Duration patience = ClusterOptions().stallLimit * 2 / 3;
  EXPECT_LE(Duration(Options().replicaSyncLimit) + Duration(1s), patience);
}

TEST_F(Degraded, follower_with_a_broken_disk_reports_itself) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  stores_[2]->failWrites(Errc::io);
  network_.cut("s2", "s1");
  write(1, twoCopies(), 2, 3, "def");
  settle(300ms);  // the primary gives it up after a second
  EXPECT_GT(current().epoch, 1u);
  EXPECT_EQ(current().primary()->storage, 1u);
  EXPECT_NE(current().replicas[1].state, in);
}

TEST_F(Degraded, full_primary_that_loses_its_follower_tells_the_writer) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  stores_[1]->failWrites(Errc::noSpace);
  cut("s1", "s2");
  auto reply = write(1, twoCopies(), 2, 3, "def");
  settle(5s);
  ASSERT_TRUE(reply->answered);
  EXPECT_EQ(reply->code, Errc::noSpace);
}

// ext4 has an end at 16 TiB, some filesystems have no holes: every disk says the same, and is well.
TEST_F(Degraded, what_no_disk_can_do_is_told_and_costs_no_replica) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  std::uint64_t sequence = 2;
  for (Errc code : {Errc::tooLarge, Errc::quotaExceeded, Errc::notSupported, Errc::invalid}) {
    SCOPED_TRACE(std::string(nameOf(code)));
    const bool cuts = code != Errc::quotaExceeded;
    for (int n : {1, 2}) stores_[n]->failWrites(code);
    EXPECT_EQ(of(cuts ? truncate(1, twoCopies(), sequence, 1ULL << 44) : write(1, twoCopies(), sequence, 3, "d")).code,
              code);
    for (int n : {1, 2}) stores_[n]->failWrites(Errc::ok);
    ++sequence;
  }
  settle(3s);
  EXPECT_EQ(current().epoch, 1u);
  EXPECT_EQ(of(write(1, twoCopies(), sequence, 3, "def")).size, 6u);
  EXPECT_EQ(content(1), "abcdef");
  EXPECT_EQ(content(2), "abcdef");
}

TEST_F(Degraded, what_one_disk_of_two_cannot_do_costs_that_replica) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  stores_[2]->failWrites(Errc::tooLarge);
  EXPECT_EQ(of(truncate(1, twoCopies(), 2, 1 << 20)).code, Errc::ok);
  EXPECT_EQ(current().primary()->storage, 1u);
  EXPECT_NE(current().replicas[1].state, in);
  EXPECT_EQ(of(stat(1, current())).size, 1u << 20);
}

// The end of one operation gives up the joining replica, which is the end of the others.
TEST_F(Degraded, operations_that_failed_one_by_one_end_together) {
  startStorage(3);
  settle(2s);
  cut("s3", "t1");  // it cannot say that it has everything
  put(layout(1, {{1, in}, {3, syncing}}));
  of(write(1, current(), 1, 0, "abc"));
  ASSERT_TRUE(eventually([&] { return node(1).find(kFile)->slots.front().joined; }));
  network_.cut("s3", "s1");
  network_.cut("s1", "t1");
  const Layout known = node(1).find(kFile)->replica.layout();
  stores_[1]->failWrites(Errc::noSpace);
  auto first = write(1, known, 2, 3, "d");
  auto second = write(1, known, 3, 4, "e");
  settle(5ms);
  ASSERT_FALSE(first->answered || second->answered);
  stores_[1]->failWrites(Errc::io);
  auto third = write(1, known, 4, 5, "f");
  settle(50ms);
  EXPECT_TRUE(first->answered && first->code == Errc::noSpace);
  EXPECT_TRUE(second->answered && second->code == Errc::noSpace);
  EXPECT_TRUE(third->answered && third->code == Errc::io);
}

TEST_F(Degraded, sealed_file_leaves_the_active_list_of_every_replica) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  of(close(1, twoCopies(), 2));
  EXPECT_TRUE(eventually([&] { return stores_[1]->activeFiles().empty() && stores_[2]->activeFiles().empty(); }, 10s));
}

// A power cut of the tracker's machine may take back what it answered and did not sync.
TEST_F(Degraded, closing_that_the_catalog_lost_is_told_again) {
  tracker_.canSync = false;
  of(write(1, twoCopies(), 1, 0, "abc"));
  of(close(1, twoCopies(), 2));
  ASSERT_TRUE(eventually([&] { return tracker_.files[kFile].state == FileState::closed; }));
  settle(5s);
  EXPECT_EQ(stores_[1]->activeFiles(), std::vector<InodeId>{kFile}) << "the next process is to tell it, too";

  tracker_.files[kFile].state = FileState::open;
  tracker_.files[kFile].size = 0;
  network_.reset("t1");
  startTracker();
  EXPECT_TRUE(eventually([&] { return tracker_.files[kFile].state == FileState::closed; }));
  EXPECT_EQ(tracker_.files[kFile].size, 3u);
  EXPECT_EQ(stores_[1]->activeFiles(), std::vector<InodeId>{kFile});

  tracker_.canSync = true;
  EXPECT_TRUE(eventually([&] { return stores_[1]->activeFiles().empty(); }));
}

TEST_F(Degraded, closings_are_synced_together_once_and_then_told_no_more) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  of(close(1, twoCopies(), 2));
  ASSERT_TRUE(eventually([&] { return tracker_.files[kFile].state == FileState::closed; }));
  EXPECT_EQ(tracker_.syncs, 0u) << "who makes many files does not wait for the catalog's disk";
  ASSERT_TRUE(eventually([&] { return tracker_.syncs == 1; }));
  settle(100ms);
  const std::size_t reports = tracker_.reports;
  network_.reset("t1");
  startTracker();
  settle(10s);
  EXPECT_EQ(tracker_.reports, reports);
  EXPECT_EQ(tracker_.syncs, 1u);
}

TEST_F(Degraded, write_that_the_active_list_has_no_room_for_is_refused_and_may_be_repeated) {
  put(layout(1, {{1, in}}));
  of(write(1, current(), 1, 0, "abc", schema::WRITE_FLAG_CLOSE));
  ASSERT_TRUE(eventually([&] { return stores_[1]->activeFiles().empty(); }));
  stores_[1]->failActiveList(Errc::noSpace);
  EXPECT_EQ(of(write(1, current(), 2, 3, "def")).code, Errc::noSpace);
  EXPECT_EQ(stateOnDisk(1), FileState::closed);
  stores_[1]->failActiveList(Errc::ok);
  EXPECT_EQ(of(write(1, current(), 2, 3, "def")).size, 6u);
  EXPECT_EQ(of(stat(1, current())).size, 6u);
  EXPECT_EQ(content(1), "abcdef");
}

TEST_F(Degraded, primary_whose_active_list_fails_leaves_the_file_to_another_server) {
  of(write(1, twoCopies(), 1, 0, "abc", schema::WRITE_FLAG_CLOSE));
  ASSERT_TRUE(eventually([&] { return stores_[1]->activeFiles().empty() && stores_[2]->activeFiles().empty(); }));
  stores_[1]->failActiveList(Errc::io);
  EXPECT_EQ(of(write(1, twoCopies(), 2, 3, "def")).code, Errc::staleEpoch);
  EXPECT_EQ(of(write(2, current(), 2, 3, "def")).size, 6u);
  EXPECT_EQ(content(2), "abcdef");
}

TEST_F(Degraded, sealed_files_leave_the_active_list_once_it_can_be_written_again) {
  put(twoCopies(kFile + 1));
  of(write(1, twoCopies(), 1, 0, "abc", schema::WRITE_FLAG_CLOSE));
  settle(1s);
  stores_[1]->failActiveList(Errc::noSpace);
  settle(10s);
  stores_[1]->failActiveList(Errc::ok);
  of(write(1, twoCopies(kFile + 1), 1, 0, "abc", schema::WRITE_FLAG_CLOSE));
  EXPECT_TRUE(eventually([&] { return stores_[1]->activeFiles() == std::vector<InodeId>{kFile}; }))
      << "the loop goes on; what it could not take off is looked at after the next start";
}

TEST_F(Degraded, start_on_a_full_disk_comes_to_its_end) {
  put(layout(1, {{1, in}}));
  of(write(1, current(), 1, 0, "abc", schema::WRITE_FLAG_CLOSE));
  settle(10s);
  crash(1);
  stores_[1]->markActive(kFile + 7);  // its creation did not come to its end
  stores_[1]->failActiveList(Errc::noSpace);
  startStorage(1);
  settle(2s);
  EXPECT_EQ(of(read(1, current(), 0, 10)).data, "abc");
}

TEST_F(Degraded, disk_that_cannot_be_listed_serves_what_is_on_it) {
  of(write(1, twoCopies(), 1, 0, "abc", schema::WRITE_FLAG_CLOSE));
  ASSERT_TRUE(eventually([&] { return stores_[1]->activeFiles().empty(); }));
  crash(1);
  stores_[1]->failScans(Errc::io);
  startStorage(1);
  ASSERT_TRUE(eventually([&] { return of(read(1, current(), 0, 10)).code == Errc::ok; }));
  EXPECT_EQ(of(read(1, current(), 0, 10)).data, "abc");
}

TEST_F(Degraded, listing_that_fails_for_a_moment_is_tried_again) {
  losePowerUnlisted();
  stores_[1]->failScans(Errc::io);
  startStorage(1);
  stores_[1]->failScans(Errc::ok);
  EXPECT_TRUE(eventually([&] { return current().primary()->storage == 2 && current().replicas[1].state == in; }));
  EXPECT_EQ(content(1), "abcdef");
}

TEST_F(Degraded, power_cut_is_not_settled_before_the_disk_was_looked_through) {
  of(write(1, twoCopies(), 1, 0, "abc", schema::WRITE_FLAG_CLOSE));
  ASSERT_TRUE(eventually([&] { return stores_[1]->activeFiles().empty(); }));
  crash(1);
  stores_[1]->losePower();
  stores_[1]->failScans(Errc::io);
  startStorage(1);
  ASSERT_TRUE(eventually([&] { return of(read(1, current(), 0, 10)).code == Errc::ok; }));
  settle(10s);
  EXPECT_FALSE(stores_[1]->machineStayedUp());
  crash(1);
  stores_[1]->failScans(Errc::ok);
  startStorage(1);
  EXPECT_TRUE(eventually([&] { return stores_[1]->machineStayedUp(); }));
}

TEST_F(Degraded, open_replica_in_what_cannot_be_listed_after_a_power_cut_is_suspected) {
  losePowerUnlisted();
  stores_[1]->failScans(Errc::io);
  startStorage(1);
  settle(5s);  // it goes on without
  EXPECT_NE(of(read(1, current(), 0, 10)).data, "abc") << "acknowledged bytes are missing";
  EXPECT_TRUE(eventually([&] { return current().primary()->storage == 2 && current().replicas[1].state == in; }));
  EXPECT_EQ(content(1), "abcdef");
}

TEST_F(Degraded, replica_that_is_made_while_the_disk_cannot_be_listed_is_not_suspected) {
  crash(1);
  stores_[1]->losePower();
  stores_[1]->failScans(Errc::io);
  startStorage(1);
  settle(5s);
  const Layout made = twoCopies(kFile + 1);
  put(made);
  ASSERT_EQ(of(write(1, made, 1, 0, "abc")).code, Errc::ok);
  settle(5s);
  EXPECT_EQ(of(read(1, made, 0, 10)).data, "abc");
  EXPECT_EQ(current(made.inode).epoch, 1u);
}

TEST_F(Degraded, file_that_was_asked_for_before_the_disk_was_looked_through_is_suspected_too) {
  losePowerUnlisted();
  startStorage(1, [](Node& node) {
    node.enter(kFile, [](FilePtr) -> kj::Promise<void> { return kj::READY_NOW; }).detach([](kj::Exception&&) {});
  });
  EXPECT_TRUE(eventually([&] { return current().primary()->storage == 2 && current().replicas[1].state == in; }));
  EXPECT_EQ(content(1), "abcdef");
}

// ---- a disk that takes long to be looked through

TEST_F(Degraded, nobody_waits_for_a_look_through_the_disk) {
  crash(2);
  crash(1);
  scanDelay_ = 20s;
  startStorage(1);
  EXPECT_TRUE(node(1).trackers->connected());
  const std::size_t before = tracker_.heartbeats;
  auto request = to(1).listRequest();
  request.setLimit(10);
  bool listed = false;
  auto listing = request.send().then([&](auto&&) { listed = true; }).eagerlyEvaluate(nullptr);
  put(layout(1, {{1, in}}, kFile + 1));
  EXPECT_EQ(of(write(1, current(kFile + 1), 1, 0, "abc")).code, Errc::ok);
  EXPECT_EQ(of(read(1, current(kFile + 1), 0, 10)).data, "abc");
  settle(5s);
  EXPECT_GE(tracker_.heartbeats, before + 3);
  EXPECT_FALSE(listed) << "it is on a thread of its own";
  EXPECT_TRUE(eventually([&] { return listed; }, 60s));
}

TEST_F(Degraded, after_a_power_cut_a_server_does_not_count_before_its_disk_was_looked_through) {
  of(write(1, twoCopies(), 1, 0, "abc", schema::WRITE_FLAG_CLOSE));
  crash(1);
  stores_[1]->losePower();
  scanDelay_ = 20s;
  const std::size_t before = tracker_.registrations.size();
  startStorage(1, {}, false);
  settle(10s);
  EXPECT_EQ(tracker_.registrations.size(), before) << "who is sent to it waits";
  ASSERT_TRUE(eventually([&] { return tracker_.registrations.size() > before; }, 60s));
  EXPECT_TRUE(tracker_.registrations.back().checking) << "the catalog has not been asked yet";
  EXPECT_TRUE(eventually([&] { return tracker_.checking.count(1) == 0; }, 60s));
  EXPECT_TRUE(eventually([&] { return of(read(1, current(), 0, 10)).data == "abc"; }));
}

// ---- answers that cannot be decoded

TEST_F(Degraded, tracker_whose_answer_cannot_be_decoded_is_asked_again) {
  tracker_.garbles = true;
  const std::size_t before = tracker_.heartbeats;
  ASSERT_TRUE(eventually([&] { return tracker_.heartbeats > before + 2; })) << "for each of two servers at least one";
  tracker_.garbles = false;
  const std::size_t garbled = tracker_.heartbeats;
  EXPECT_TRUE(eventually([&] { return tracker_.heartbeats > garbled + 4; }));
  EXPECT_TRUE(eventually([&] { return node(1).trackers->connected() && node(2).trackers->connected(); }));
}

TEST_F(Degraded, closing_whose_report_was_answered_by_what_cannot_be_decoded_is_told_again) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  tracker_.garblesReports = 1;
  ASSERT_EQ(of(close(1, twoCopies(), 2)).state, FileState::closed);
  const std::size_t before = tracker_.reports;
  ASSERT_TRUE(eventually([&] { return tracker_.reports > before + 2; }));
  tracker_.garblesReports.reset();
  EXPECT_TRUE(eventually([&] { return tracker_.files[kFile].state == FileState::closed; }));
}

// Of what a former process had sealed.
TEST_F(Degraded, report_of_a_former_process_that_was_answered_by_what_cannot_be_decoded_is_told_again) {
  tracker_.garblesReports = 1;
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "abc", schema::WRITE_FLAG_CLOSE)).state, FileState::closed);
  crash(1);
  startStorage(1);
  const std::size_t before = tracker_.reports;
  ASSERT_TRUE(eventually([&] { return tracker_.reports > before; }));
  settle(1s);
  tracker_.garblesReports.reset();
  EXPECT_TRUE(eventually([&] { return tracker_.files[kFile].state == FileState::closed; }));
}

TEST_F(Degraded, open_does_not_wait_for_a_report_whose_answer_cannot_be_decoded) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  tracker_.garblesReports = 1;
  of(close(1, twoCopies(), 2));
  const std::size_t before = tracker_.reports;
  ASSERT_TRUE(eventually([&] { return tracker_.reports > before; }));
  settle(10ms);  // the answer
  const TimePoint asked = clock_.now();
  of(open(1, twoCopies()));
  EXPECT_LT(clock_.now() - asked, Duration(1s));
}

TEST_F(Degraded, server_that_stops_comes_to_its_end_when_an_answer_cannot_be_decoded) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  tracker_.garblesReports = 1;
  std::optional<bool> stopped;
  const auto stop = [&]() -> Task<void> {
    try {
      co_await storages_.at(1)->stop();
      stopped = true;
    } catch (const std::exception&) {
      stopped = false;
    }
  };
  asio::co_spawn(io_, stop(), asio::detached);
  ASSERT_TRUE(eventually([&] { return stopped.has_value(); }));
  EXPECT_TRUE(*stopped) << "or its disk is not synced, and not marked as clean";
}

class SecondTracker : public Degraded, public ::testing::WithParamInterface<std::size_t> {
 protected:
  void configure() override {
    startTracker("t2", second_);
    second_.ids = tracker_.ids;
  }
  FakeTracker second_;
};
INSTANTIATE_TEST_SUITE_P(Pointers, SecondTracker, ::testing::Values(0, 1));

TEST_P(SecondTracker, is_asked_when_the_answer_of_the_first_cannot_be_decoded) {
  settle(2s);
  second_.files = tracker_.files;
  of(write(1, twoCopies(), 1, 0, "abc"));
  tracker_.garblesReports = GetParam();
  crash(2);
  EXPECT_TRUE(eventually([&] { return second_.files.at(kFile).layout.epoch == 2; }));
  EXPECT_EQ(of(write(1, second_.files.at(kFile).layout, 2, 3, "def")).code, Errc::ok);
}

// ---- writers after a take-over

class TakeOver : public Degraded {
 protected:
  // 7 and 8 have written; 8 has closed.
  void SetUp() override {
    Degraded::SetUp();
    of(write(1, twoCopies(), 1, 0, "abc", 0, 7));
    of(write(1, twoCopies(), 1, 3, "def", 0, 8));
    of(close(1, twoCopies(), 2, 8));
    crash(1);
    next = tracker_.lose(kFile, 1, 1);
  }
  Layout next;
};

TEST_F(TakeOver, who_closed_before_does_not_keep_the_file_open) {
  of(write(2, next, 2, 6, "ghi", 0, 7));
  EXPECT_EQ(of(stat(2, next)).writers, 1u);
  ping(2, {7, 8}, 12s);
  EXPECT_EQ(of(stat(2, next)).writers, 1u);
  EXPECT_EQ(of(close(2, next, 3, 7)).state, FileState::closed);
  EXPECT_EQ(stateOnDisk(2), FileState::closed);
}

TEST_F(TakeOver, file_that_somebody_else_closed_is_recovered_when_its_last_writer_vanishes) {
  of(write(2, next, 2, 6, "ghi", 0, 7));
  of(write(2, next, 2, 9, "jkl", 0, 8));  // 8 is back, and vanishes
  EXPECT_EQ(of(close(2, next, 3, 7)).state, FileState::open);
  ping(2, {7}, 12s);
  EXPECT_EQ(stateOnDisk(2), FileState::recovered);
}

TEST_F(TakeOver, file_whose_last_writer_closes_it_is_closed_at_once) {
  of(write(2, next, 2, 6, "ghi", 0, 7));
  EXPECT_EQ(of(close(2, next, 3, 7)).state, FileState::closed);
  EXPECT_EQ(stateOnDisk(2), FileState::closed);
}

TEST_F(TakeOver, file_that_nobody_comes_back_to_is_recovered_though_their_connections_live) {
  of(stat(2, next));
  ping(2, {7, 8}, 9s);
  EXPECT_EQ(stateOnDisk(2), FileState::open);
  ping(2, {7, 8}, 3s);
  EXPECT_EQ(stateOnDisk(2), FileState::recovered);
}

TEST_F(TakeOver, replay_of_what_was_executed_shows_that_the_writer_is_there) {
  of(write(2, next, 1, 0, "abc", 0, 7));
  ping(2, {7, 8}, 25s);
  EXPECT_EQ(of(stat(2, next)).writers, 1u);
  EXPECT_EQ(of(close(2, next, 2, 7)).state, FileState::closed);
}

}  // namespace
}  // namespace vcfs::storage
