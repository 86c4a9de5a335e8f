// What overtakes what when servers go and come back while files and locks are closed.
#include "tests/unit/client/fake_cluster.h"

namespace vcfs::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RacesTest : public ::testing::Test {
 protected:
  void start(ClusterOptions options = {}) {
    cluster = fake.connect(std::move(options));
    OpenMode mode;
    mode.write = true;
    file = fake.run(cluster->openPath("a", mode, true));
    fake.run(file->write(0, bytesOf("hello")));
    fake.run(file->flush());
  }
  FileLock lock(LockType type) {
    FileLock wanted;
    wanted.kind = LockKind::flock;
    wanted.type = type;
    wanted.owner = 7;
    wanted.start = 0;
    wanted.end = kLockToEnd;
    return wanted;
  }

  FakeCluster fake{3};
  std::shared_ptr<Cluster> cluster;
  std::shared_ptr<File> file;
};

TEST_F(RacesTest, the_new_primary_is_not_blamed_for_the_connection_to_the_old_one) {
  start();
  const InodeId inode = file->inode();
  fake.fail(inode, 1, 1);  // by another client
  fake.storage(2).silent = true;
  Change change;
  change.inode = inode;
  fake.tell(change);
  ASSERT_TRUE(fake.until([&] { return fake.storage(2).opens == 1; }, seconds(1)));
  fake.killStorage(1);
  fake.advance(milliseconds(500));
  EXPECT_EQ(fake.tracker().reports, 0);
  EXPECT_EQ(fake.file(inode).layout.epoch, 2u);
}

TEST_F(RacesTest, a_lease_that_is_asked_for_again_does_not_open_what_was_closed_meanwhile) {
  start();
  fake.storage(2).refuseOpens = Errc::unavailable;  // it is only being started
  fake.killStorage(1);
  fake.advance(milliseconds(300));
  EXPECT_EQ(fake.failure(file->close()), Errc::ok);
  fake.storage(2).refuseOpens = Errc::ok;
  fake.advance(seconds(10));
  EXPECT_EQ(fake.storage(2).opens, 0);
  EXPECT_EQ(fake.file(file->inode()).attr.state, FileState::closed);
}

TEST_F(RacesTest, a_close_that_nobody_heard_is_told_later) {
  ClusterOptions options;
  options.stallLimit = seconds(2);
  start(options);
  const InodeId inode = file->inode();
  for (StorageId id = 1; id <= 3; ++id) fake.killStorage(id);
  EXPECT_EQ(fake.failure(file->close()), Errc::unavailable);
  file.reset();
  fake.advance(seconds(30));
  for (StorageId id = 1; id <= 3; ++id) fake.startStorage(id);
  EXPECT_TRUE(fake.until([&] { return fake.file(inode).attr.state == FileState::closed; }, seconds(10)));
}

class OpenForWriting : public RacesTest {
 protected:
  // Of a sealed file, by a client with short limits.
  Errc open() {
    ClusterOptions options;
    options.stallLimit = seconds(2);
    start(options);
    const Entry sealed = fake.makeFile("b", "hello", FileState::closed);
    OpenMode mode;
    mode.write = true;
    before();
    return fake.failure(
        [](auto c, Entry e, OpenMode m) -> Task<void> { co_await c->open(e, m); }(cluster, sealed, mode));
  }
  std::function<void()> before;
};

TEST_F(OpenForWriting, that_failed_at_the_catalog_alone_is_taken_back_at_the_primary) {
  before = [&] { fake.tracker().refuse = Errc::unavailable; };
  EXPECT_EQ(open(), Errc::unavailable);
  EXPECT_EQ(fake.storage(1).opens, 1);
  EXPECT_TRUE(fake.until([&] { return fake.storage(1).closes == 1; }, seconds(5)));
}

TEST_F(RacesTest, so_is_one_of_a_handle_that_goes_on_to_write_after_its_file_was_closed) {
  ClusterOptions options;
  options.stallLimit = seconds(2);
  start(options);
  ASSERT_EQ(fake.failure(file->flush(true)), Errc::ok);
  ASSERT_EQ(fake.storage(1).closes, 1);
  fake.tracker().refuse = Errc::unavailable;
  EXPECT_EQ(fake.failure(file->write(5, bytesOf(" world"))), Errc::unavailable);
  EXPECT_TRUE(fake.until([&] { return fake.storage(1).closes == 2; }, seconds(5)));
  fake.tracker().refuse = Errc::ok;
  EXPECT_EQ(fake.failure(file->write(5, bytesOf(" world"))), Errc::ok);
  EXPECT_EQ(fake.failure(file->close()), Errc::ok);
  EXPECT_EQ(fake.bytes(1, file->inode()), "hello world");
}

TEST_F(OpenForWriting, that_a_primary_did_not_answer_is_taken_back) {
  before = [&] { fake.storage(1).silent = true; };
  EXPECT_EQ(remedyOf(open()), Remedy::retry);
  ASSERT_EQ(fake.storage(1).opens, 1);
  fake.storage(1).silent = false;
  EXPECT_TRUE(fake.until([&] { return fake.storage(1).closes == 1; }, seconds(5)));
}

TEST_F(OpenForWriting, that_a_primary_refused_is_over) {
  before = [&] { fake.storage(1).refuseOpens = Errc::noSpace; };
  EXPECT_EQ(open(), Errc::noSpace);
  fake.advance(seconds(10));
  EXPECT_EQ(fake.storage(1).closes, 0);
}

// A kernel may have made a short count of what write() said.
TEST_F(RacesTest, what_a_write_told_of_earlier_bytes_is_told_by_sync_too_and_then_no_more) {
  start();
  for (StorageId id = 1; id <= 3; ++id) fake.storage(id).refuse = Errc::noSpace;
  EXPECT_EQ(fake.failure(file->write(5, bytesOf(" world"))), Errc::ok);
  fake.advance(seconds(1));
  EXPECT_EQ(fake.failure(file->write(11, bytesOf("!"))), Errc::noSpace);
  for (StorageId id = 1; id <= 3; ++id) fake.storage(id).refuse = Errc::ok;
  EXPECT_EQ(fake.failure(file->write(11, bytesOf("!"))), Errc::ok) << "told by write() already";
  EXPECT_EQ(fake.failure(file->sync()), Errc::noSpace);
  EXPECT_EQ(fake.failure(file->sync()), Errc::ok);
  EXPECT_EQ(fake.failure(file->close()), Errc::ok);
}

TEST_F(RacesTest, a_lock_taken_again_is_not_given_up_by_what_was_to_be_given_up_before) {
  ClusterOptions options;
  options.stallLimit = milliseconds(500);
  start(options);
  const InodeId inode = file->inode();
  EXPECT_EQ(fake.failure(cluster->setLock(inode, lock(LockType::exclusive), false, 1)), Errc::ok);
  fake.killTracker(0);
  EXPECT_EQ(fake.failure(cluster->setLock(inode, lock(LockType::none), false, 2)), Errc::unavailable);
  fake.startTracker(0);
  EXPECT_EQ(fake.failure(cluster->setLock(inode, lock(LockType::exclusive), false, 3)), Errc::ok);
  fake.advance(seconds(10));
  EXPECT_EQ(fake.tracker().locks, (std::vector<LockType>{LockType::exclusive, LockType::exclusive}));
}

TEST_F(RacesTest, closing_a_locked_file_does_not_wait_for_trackers_that_are_away) {
  start();
  const InodeId inode = file->inode();
  ASSERT_EQ(fake.failure(cluster->setLock(inode, lock(LockType::exclusive), false, 1)), Errc::ok);
  fake.killTracker(0);
  for (const int milli : {3000, 1, 1}) {
    fake.run(cluster->closeLocks(inode, LockKind::flock, 7), milliseconds(milli));
  }
  EXPECT_TRUE(cluster->locked(inode));
  fake.startTracker(0);
  EXPECT_TRUE(fake.until([&] { return !cluster->locked(inode); }, seconds(10)));
  EXPECT_EQ(fake.tracker().locks, (std::vector<LockType>{LockType::exclusive, LockType::none}));
}

TEST_F(RacesTest, a_lock_that_was_taken_while_an_earlier_one_was_to_be_given_up_goes_with_the_next_close) {
  ClusterOptions options;
  options.stallLimit = milliseconds(500);
  start(options);
  const InodeId inode = file->inode();
  ASSERT_EQ(fake.failure(cluster->setLock(inode, lock(LockType::exclusive), false, 1)), Errc::ok);
  fake.killTracker(0);
  fake.run(cluster->closeLocks(inode, LockKind::flock, 7));
  fake.startTracker(0);
  ASSERT_EQ(fake.failure(cluster->setLock(inode, lock(LockType::exclusive), false, 2)), Errc::ok);
  fake.run(cluster->closeLocks(inode, LockKind::flock, 7));
  EXPECT_EQ(fake.tracker().locks, (std::vector<LockType>{LockType::exclusive, LockType::exclusive, LockType::none}));
}

class CatalogTrouble : public RacesTest, public ::testing::WithParamInterface<Errc> {};
INSTANTIATE_TEST_SUITE_P(Errors, CatalogTrouble, ::testing::Values(Errc::noSpace, Errc::io));

TEST_P(CatalogTrouble, that_keeps_a_lock_from_being_given_up_is_outlasted) {
  start();
  const InodeId inode = file->inode();
  for (const bool close : {false, true}) {
    ASSERT_EQ(fake.failure(cluster->setLock(inode, lock(LockType::exclusive), false, 1)), Errc::ok);
    fake.tracker().locks.clear();
    fake.tracker().refuse = GetParam();
    fake.tracker().refusals = 3;
    Task<void> release = close ? cluster->closeLocks(inode, LockKind::flock, 7)
                               : cluster->setLock(inode, lock(LockType::none), false, 2);
    fake.failure(std::move(release));
    EXPECT_TRUE(fake.until([&] { return !cluster->locked(inode); }, seconds(10)));
    EXPECT_EQ(fake.tracker().locks, std::vector<LockType>{LockType::none});
  }
}

// A program that waits for a lock, and whose tracker does not answer for a while.
class WaitingForLock : public RacesTest {
 protected:
  void ask(std::uint64_t ticket) {
    auto end = [this, ticket](std::exception_ptr error) {
      try {
        if (error) std::rethrow_exception(error);
        outcome[ticket] = Errc::ok;
      } catch (const Error& failure) {
        outcome[ticket] = failure.code();
      }
    };
    asio::co_spawn(fake.io, cluster->setLock(file->inode(), lock(LockType::exclusive), true, ticket), end);
  }
  bool askedFor(std::size_t count) {
    return fake.until([&] { return fake.tracker().heldLocks.size() == count; }, seconds(1));
  }
  void answer() {
    fake.tracker().holdLocks = false;
    for (auto& held : fake.tracker().heldLocks) held->fulfill();
    fake.tracker().heldLocks.clear();
  }
  std::map<std::uint64_t, Errc> outcome;
};

TEST_F(WaitingForLock, a_signal_ends_it_and_what_it_still_gets_is_given_up) {
  start();
  fake.tracker().holdLocks = true;
  ask(1);
  ASSERT_TRUE(askedFor(1));
  cluster->cancelLock(1);
  EXPECT_TRUE(fake.until([&] { return outcome.contains(1); }, milliseconds(100)));
  EXPECT_EQ(outcome[1], Errc::cancelled);
  answer();
  EXPECT_TRUE(fake.until([&] { return !cluster->locked(file->inode()); }, seconds(5)));
  EXPECT_EQ(fake.tracker().locks, (std::vector<LockType>{LockType::exclusive, LockType::none}));
}

TEST_F(WaitingForLock, what_is_asked_for_after_the_signal_stays) {
  start();
  fake.tracker().holdLocks = true;
  ask(1);
  ASSERT_TRUE(askedFor(1));
  cluster->cancelLock(1);
  ASSERT_TRUE(fake.until([&] { return outcome.contains(1); }, milliseconds(100)));
  ask(2);
  answer();
  EXPECT_TRUE(fake.until([&] { return outcome.contains(2); }, seconds(5)));
  EXPECT_EQ(outcome[2], Errc::ok);
  fake.advance(seconds(10));
  EXPECT_EQ(fake.tracker().locks, (std::vector<LockType>{LockType::exclusive, LockType::none, LockType::exclusive}));
}

}  // namespace
}  // namespace vcfs::client
