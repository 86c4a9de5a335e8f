// What statFs says while deleted files wait in the trash.
#include <gtest/gtest.h>

#include "tests/unit/tracker/service/client.h"
#include "tests/unit/tracker/service/shifted_clock.h"
#include "tracker/tracker_service.h"

namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kMiB = 1 << 20;

Task<bool> changed(SqlTx& tx, Statement statement) {
  co_await tx.exec(statement);
  co_return true;
}

class TrashSpaceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    catalog_ = makeCatalog(loop_, "sqlite");
    TrackerOptions options;
    options.listen = "tracker:1";
    options.map.defaultCopies = 2;
    options.map.settleTime = 0s;
    options.map.unreachableAfter = 1h;  // these servers send no heartbeats
    service_ = std::make_unique<TrackerService>(runtime_, *catalog_, options);
    loop_.run(service_->start());
    for (const char* name : {"s1", "s2"}) {
      servers_.push_back(std::make_unique<Client>(loop_, name, "storage", 11 + servers_.size()));
      servers_.back()->registerStorage(name);
    }
    mount_ = std::make_unique<Client>(loop_, "m", "mount", 1);
  }
  void TearDown() override {
    mount_.reset();
    servers_.clear();
    service_.reset();
    loop_.drain();  // connections and coroutines that end let go of the catalog first
    catalog_.reset();
  }
  InodeId create(const std::string& name) { return mount_->create(name).getEntry().getAttr().getInode(); }
  // Every file of a mebibyte.
  void closeAll() { change(Statement{"UPDATE inodes SET state = 2, blocks = 2048 WHERE inode <> 1"}); }
  void change(Statement statement) {
    loop_.run(catalog_->write([statement](SqlTx& tx) { return changed(tx, statement); }));
  }
  void unlink(const std::string& name) {
    auto request = mount_->tracker().unlinkRequest();
    request.setParent(kRootInode);
    request.setName(schema::toData(name));
    request.getRequest().setClient(1);
    request.getRequest().setSequence(mount_->nextSequence());
    mount_->call(std::move(request));
  }
  void pin(InodeId inode) {
    auto request = mount_->tracker().pinRequest();
    request.initInodes(1).set(0, inode);
    request.setClient(1);
    mount_->call(std::move(request));
  }
  std::int64_t free() {
    auto request = mount_->tracker().statFsRequest();
    request.setDirectory(kRootInode);
    return static_cast<std::int64_t>(mount_->call(std::move(request)).getFreeBytes());
  }
  void pass(Duration duration) {
    clock_.steady += duration;
    clock_.wall += duration;
  }
  // When all of the trash was read again.
  std::int64_t freeLater() {
    pass(11s);
    free();
    loop_.drain();
    return free();
  }

  Loop loop_;
  ShiftedClock clock_{loop_.io};
  Runtime runtime_{loop_.io, clock_, loop_.transport, std::mt19937_64(42)};
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<TrackerService> service_;
  std::vector<std::unique_ptr<Client>> servers_;
  std::unique_ptr<Client> mount_;
};

}  // namespace

TEST_F(TrashSpaceTest, what_was_deleted_is_free_at_once) {
  create("a");
  create("b");
  closeAll();
  const std::int64_t before = free();
  unlink("a");
  EXPECT_EQ(free() - before, kMiB);
  unlink("b");
  EXPECT_EQ(free() - before, 2 * kMiB);
  EXPECT_EQ(freeLater() - before, 2 * kMiB) << "and not twice";
}

TEST_F(TrashSpaceTest, what_is_open_or_being_recorded_is_not_free) {
  const InodeId open = create("open");
  closeAll();
  create("recorded");
  change(Statement{"UPDATE inodes SET blocks = 2048 WHERE state = 1"});
  const std::int64_t before = free();
  unlink("recorded");
  EXPECT_EQ(free(), before);
  unlink("open");
  pin(open);
  EXPECT_EQ(freeLater(), before);
}

TEST_F(TrashSpaceTest, what_is_due_is_not_counted_beside_the_room_that_it_was) {
  create("a");
  closeAll();
  const std::int64_t before = free();
  unlink("a");
  ASSERT_EQ(free() - before, kMiB);
  pass(602s);
  EXPECT_EQ(free() - before, kMiB) << "no server has told yet that it has deleted it";
  pass(6s);
  EXPECT_EQ(free() - before, kMiB) << "it was overdue when all was counted, and is until that is done again";
  change(Statement{"DELETE FROM trash"});
  freeLater();
  pass(6s);
  EXPECT_EQ(free(), before);
}

TEST_F(TrashSpaceTest, what_becomes_due_is_not_counted_for_long_beside_the_room_that_it_was) {
  create("a");
  closeAll();
  const std::int64_t before = free();
  unlink("a");
  pass(599s);
  ASSERT_EQ(free() - before, kMiB);
  change(Statement{"DELETE FROM trash"});
  pass(3s);
  EXPECT_EQ(free() - before, kMiB) << "no server has told yet that it has deleted it";
  pass(5s);
  EXPECT_EQ(free(), before);
}

// Another tracker's clock is behind, or it keeps files for a shorter time.
TEST_F(TrashSpaceTest, what_comes_into_the_midst_of_the_trash_is_found_later) {
  create("a");
  create("b");
  closeAll();
  const std::int64_t before = free();
  unlink("a");
  ASSERT_EQ(free() - before, kMiB);
  unlink("b");
  change(Statement{"UPDATE trash SET due = due - 60000000000 WHERE inode = (SELECT MAX(inode) FROM trash)"});
  EXPECT_EQ(free() - before, kMiB);
  EXPECT_EQ(freeLater() - before, 2 * kMiB);
}

// Two were deleted at once, or one was repeated after a deadlock.
TEST_F(TrashSpaceTest, what_is_committed_late_is_free_at_once) {
  create("a");
  create("b");
  closeAll();
  const std::int64_t before = free();
  unlink("a");
  ASSERT_EQ(free() - before, kMiB);
  unlink("b");
  change(Statement{"UPDATE trash SET due = due - 3000000000 WHERE inode = (SELECT MAX(inode) FROM trash)"});
  EXPECT_EQ(free() - before, 2 * kMiB);
}

TEST_F(TrashSpaceTest, what_was_deleted_just_before_it_was_closed_is_free_when_it_is) {
  create("a");
  change(Statement{"UPDATE inodes SET blocks = 2048 WHERE state = 1"});
  const std::int64_t before = free();
  unlink("a");
  ASSERT_EQ(free(), before);
  closeAll();
  EXPECT_EQ(free() - before, kMiB);
}

TEST_F(TrashSpaceTest, what_was_deleted_early_is_not_counted_for_long) {
  create("a");
  closeAll();
  const std::int64_t before = free();
  unlink("a");
  ASSERT_EQ(free() - before, kMiB);
  change(Statement{"DELETE FROM trash"});
  EXPECT_EQ(freeLater() - before, kMiB) << "no server has told yet that it has deleted it";
  pass(6s);
  EXPECT_EQ(free(), before);
}

TEST_F(TrashSpaceTest, a_large_trash_is_read_in_parts) {
  constexpr int kFiles = 1100;
  for (int i = 0; i < kFiles; ++i) create("f" + std::to_string(i));
  closeAll();
  const std::int64_t before = free();
  for (int i = 0; i < kFiles; ++i) unlink("f" + std::to_string(i));
  loop_.drain();
  free();
  loop_.drain();
  EXPECT_EQ(free() - before, kFiles * kMiB);
}

}  // namespace vcfs::tracker::test
