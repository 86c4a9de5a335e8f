// When every server of a file loses power its writers are told by what FileInfo.powerLoss says: something else than
// before where acknowledged bytes may be gone, the same where they are not.
#include "cluster_fixture.h"

namespace vcfs::storage {
namespace {

constexpr auto in = ReplicaState::inSync;

class PowerLoss : public ClusterTest {
 protected:
  void SetUp() override {
    startPair();
    put(twoCopies());
  }
  void losePower(int n) {
    crash(n);
    stores_[n]->losePower();
  }
  void loseAll() {
    for (int n : {1, 2}) losePower(n);
    for (int n : {1, 2}) startStorage(n);
    ASSERT_TRUE(bothInSync());
  }
  bool bothInSync() {
    return eventually(
        [&] {
          const Layout now = current();
          return std::all_of(now.replicas.begin(), now.replicas.end(), [](auto& r) { return r.state == in; });
        },
        60s);
  }
  int primary() { return static_cast<int>(current().primary()->storage); }
  // What a writer is told who comes back.
  std::uint64_t told() {
    Reply reply;
    EXPECT_TRUE(eventually(
        [&] {
          reply = of(open(primary(), current()));
          return reply.code == Errc::ok;
        },
        60s));
    return reply.powerLoss;
  }
  void writeMore(std::uint64_t sequence) {
    ASSERT_EQ(of(write(primary(), current(), sequence, sequence, "x")).code, Errc::ok);
  }
  // The primary's process dies; the other one takes over.
  void failOver() {
    const int dead = primary();
    crash(dead);
    tracker_.lose(kFile, current().epoch, static_cast<StorageId>(dead));
    startStorage(dead);
    ASSERT_TRUE(bothInSync());
    ASSERT_NE(primary(), dead);
  }
};

TEST_F(PowerLoss, of_all_servers_has_a_name_that_stays_whoever_is_the_primary) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  of(sync(1, twoCopies(), 2));
  of(write(1, twoCopies(), 3, 3, "def"));
  ASSERT_EQ(told(), 0u);
  loseAll();
  EXPECT_EQ(content(primary()), "abc");
  const std::uint64_t name = told();
  EXPECT_NE(name, 0u);
  writeMore(4);
  failOver();
  EXPECT_EQ(told(), name);
  writeMore(5);
  failOver();
  EXPECT_EQ(told(), name);
  loseAll();
  EXPECT_NE(told(), name) << "another one";
}

TEST_F(PowerLoss, of_one_server_has_none) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  losePower(1);
  startStorage(1);
  EXPECT_EQ(told(), 0u);
  ASSERT_EQ(primary(), 2);
  ASSERT_TRUE(bothInSync());
  writeMore(2);
  failOver();
  EXPECT_EQ(told(), 0u) << "it was caught up from one that has everything";
}

TEST_F(PowerLoss, that_took_the_whole_file_is_told) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  for (int n : {1, 2}) losePower(n);
  for (int n : {1, 2}) startStorage(n);
  EXPECT_NE(told(), 0u);
  writeMore(2);
  const std::uint64_t name = told();
  ASSERT_TRUE(bothInSync());
  failOver();
  EXPECT_EQ(told(), name);
}

TEST_F(PowerLoss, that_took_the_whole_file_is_told_by_the_next_process_too) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  for (int n : {1, 2}) losePower(n);
  for (int n : {1, 2}) startStorage(n);
  ASSERT_TRUE(bothInSync());
  const std::uint64_t name = told();
  ASSERT_NE(name, 0u);
  settle(3s);
  for (int n : {1, 2}) crash(n);
  for (int n : {1, 2}) startStorage(n);
  ASSERT_TRUE(bothInSync());
  EXPECT_EQ(told(), name);
}

// Nobody waits for room: the writer hears of it, and of the loss when there is room again.
TEST_F(PowerLoss, that_took_the_whole_file_leaves_a_full_disk_that_says_so) {
  for (const Errc reason : {Errc::noSpace, Errc::readOnly}) {
    SCOPED_TRACE(static_cast<int>(reason));
    const InodeId inode = kFile + static_cast<InodeId>(reason);
    put(twoCopies(inode));
    of(write(1, twoCopies(inode), 1, 0, "abc"));
    for (int n : {1, 2}) losePower(n);
    for (int n : {1, 2}) stores_[n]->failWrites(reason);
    for (int n : {1, 2}) startStorage(n);
    const auto writes = [&] {
      return of(write(static_cast<int>(current(inode).primary()->storage), current(inode), 2, 3, "def"));
    };
    EXPECT_TRUE(eventually([&] { return writes().code == reason; })) << "it waits";
    for (int n : {1, 2}) stores_[n]->failWrites(Errc::ok);
    EXPECT_TRUE(eventually([&] { return writes().powerLoss != 0; }));
  }
}

// What would be synced when it ends is not there after a loss of power.
TEST_F(PowerLoss, a_process_that_is_killed_does_not_sync_its_list_of_active_files) {
  settle(1500ms);
  of(write(1, twoCopies(), 1, 0, "abc"));
  ASSERT_EQ(stores_[2]->activeFiles().size(), 1u);
  losePower(2);
  EXPECT_TRUE(stores_[2]->activeFiles().empty());
}

// That it was open again the disk need not know.
TEST_F(PowerLoss, that_undid_the_opening_of_a_closed_file_is_told) {
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "abc", schema::WRITE_FLAG_CLOSE)).state, FileState::closed);
  ASSERT_TRUE(eventually([&] { return stores_[1]->activeFiles().empty() && stores_[2]->activeFiles().empty(); }, 60s));
  settle(3s);
  writeMore(2);
  ASSERT_EQ(told(), 0u);
  loseAll();
  ASSERT_EQ(stateOnDisk(primary()), FileState::closed);
  EXPECT_NE(told(), 0u);
}

// Its disk shows the file as it was closed before, whole.
TEST_F(PowerLoss, of_one_server_in_the_moment_in_which_a_closed_file_was_written_again_is_noticed) {
  ASSERT_EQ(of(write(1, twoCopies(), 1, 0, "abc", schema::WRITE_FLAG_CLOSE)).state, FileState::closed);
  ASSERT_TRUE(eventually([&] { return stores_[1]->activeFiles().empty() && stores_[2]->activeFiles().empty(); }, 60s));
  settle(3s);
  ASSERT_EQ(of(write(1, current(), 2, 0, "X", schema::WRITE_FLAG_CLOSE)).state, FileState::closed);
  stores_[2]->losePower();  // before the process ends, which would bring the list onto the disk
  crash(2);
  ASSERT_EQ(content(2), "abc");
  startStorage(2);
  ASSERT_TRUE(eventually([&] { return current().epoch > 1; }, 60s)) << "it says that it may lack something";
  ASSERT_TRUE(bothInSync());
  EXPECT_EQ(content(2), "Xbc");
}

TEST_F(PowerLoss, is_no_reason_to_tell_of_files_that_are_made_afterwards) {
  of(write(1, twoCopies(), 1, 0, "abc"));
  of(sync(1, twoCopies(), 2));
  loseAll();
  const Layout made = twoCopies(kFile + 1);
  put(made);
  EXPECT_EQ(of(write(1, made, 1, 0, "abc")).powerLoss, 0u);
  crash(1);
  startStorage(1);
  ASSERT_TRUE(eventually([&] { return of(open(1, current(kFile + 1))).code != Errc::unavailable; }));
  const int now = static_cast<int>(current(kFile + 1).primary()->storage);
  EXPECT_EQ(of(open(now, current(kFile + 1))).powerLoss, 0u);
}

}  // namespace
}  // namespace vcfs::storage
