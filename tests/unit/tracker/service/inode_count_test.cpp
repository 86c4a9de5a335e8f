#include "tracker/service/inode_count.h"

#include "tests/unit/tracker/engines.h"
#include "tests/unit/tracker/service/held_catalog.h"

namespace vcfs::tracker::test {

class InodeCountTest : public OpsTest {
 protected:
  static Task<bool> fill(SqlTx& tx) {
    constexpr Statement kMany{
        "INSERT INTO inodes (inode, type, mode, nlink, uid, gid, size, blocks, atime, mtime, ctime, rdev, state, epoch,"
        " change_id, tenant, path, target, parent, group_name, copies, missing, opener, opened_at, mtime_fixed, flags)"
        " WITH d(i) AS (SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL"
        " SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
        " SELECT 100000 + a.i * 10000 + b.i * 1000 + c.i * 100 + e.i * 10 + f.i, 1, 420, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2,"
        " 1, 1, 'u', '/u/f', '', 0, 'g1', 2, 0, 0, 0, 0, 0 FROM d a, d b, d c, d e, d f WHERE a.i < 2"};
    co_await tx.exec(kMany);
    co_return true;
  }
  void TearDown() override {
    for (const auto& count : counts_) count->stop();
    if (loop_) loop_->drain();  // what counts lets go of the catalog first
    counts_.clear();
    held_.reset();
    OpsTest::TearDown();
  }
  template <class... Args>
  std::shared_ptr<InodeCount> countIn(Catalog& catalog, Args... args) {
    counts_.push_back(std::make_shared<InodeCount>(loop_->runtime, catalog, args...));
    loop_->run(counts_.back()->start());
    return counts_.back();
  }
  static Task<bool> removeOne(SqlTx& tx, InodeId inode) {
    co_await tx.exec(Statement{"DELETE FROM inodes WHERE inode = ?"}, inode);
    co_return true;
  }
  bool until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      loop_->io.restart();
      loop_->io.run_one_for(std::chrono::milliseconds(10));
    }
    return condition();
  }

  HeldCatalog& held() {
    if (!held_) held_ = std::make_unique<HeldCatalog>(loop_->io, *catalog_);
    return *held_;
  }

  std::unique_ptr<HeldCatalog> held_;
  std::vector<std::shared_ptr<InodeCount>> counts_;
};
INSTANTIATE_TEST_SUITE_P(Engines, InodeCountTest, ::testing::Values("sqlite", "mariadb"));

TEST_P(InodeCountTest, a_large_catalog_is_counted_behind_what_is_made_and_deleted) {
  write(fill);  // 20 000, and the root
  const auto count = countIn(*catalog_);
  EXPECT_LT(count->get(), 20'001u) << "nobody waits for all of them";
  nextId_ = 300'000;  // ids only grow
  create(kRootInode, "new");
  count->made();
  EXPECT_TRUE(until([&] { return count->get() == 20'002; })) << count->get();
  count->deleted(2);
  EXPECT_EQ(count->get(), 20'000u);
  count->deleted(30'000);
  EXPECT_EQ(count->get(), 0u);
}

TEST_P(InodeCountTest, it_goes_on_when_the_catalog_is_back) {
  write(fill);
  const auto count = countIn(held());
  held().fails = true;
  const std::size_t begun = held().begun;
  ASSERT_TRUE(until([&] { return held().begun > begun; }));
  held().fails = false;
  EXPECT_TRUE(until([&] { return count->get() == 20'001; })) << count->get();
}

// The coordinator deletes what all of them made.
TEST_P(InodeCountTest, trackers_that_share_a_catalog_come_to_the_same_number) {
  held().shares = true;
  const auto coordinator = countIn(held(), Duration(std::chrono::milliseconds(20)));
  const auto other = countIn(held(), Duration(std::chrono::milliseconds(20)));
  std::vector<InodeId> files;
  for (const char* name : {"a", "b", "c"}) {
    files.push_back(create(kRootInode, name).entry.attr.inode);
    other->made();
  }
  const auto both = [&](std::uint64_t inodes) { return coordinator->get() == inodes && other->get() == inodes; };
  EXPECT_TRUE(until([&] { return both(4); })) << coordinator->get() << " " << other->get();
  for (const InodeId inode : files) write([inode](SqlTx& tx) { return removeOne(tx, inode); });
  coordinator->deleted(3);
  EXPECT_TRUE(until([&] { return both(1); })) << coordinator->get() << " " << other->get();
}

}  // namespace vcfs::tracker::test
