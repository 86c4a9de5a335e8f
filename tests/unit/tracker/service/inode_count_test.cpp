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
  bool until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      loop_->io.restart();
      loop_->io.run_one_for(std::chrono::milliseconds(10));
    }
    return condition();
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, InodeCountTest, ::testing::Values("sqlite", "mariadb"));

TEST_P(InodeCountTest, a_large_catalog_is_counted_behind_what_is_made_and_deleted) {
  write(fill);  // 20 000, and the root
  const auto count = std::make_shared<InodeCount>(loop_->runtime, *catalog_);
  loop_->run(count->start());
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
  HeldCatalog held(loop_->io, *catalog_);
  const auto count = std::make_shared<InodeCount>(loop_->runtime, held);
  loop_->run(count->start());
  held.fails = true;
  const std::size_t begun = held.begun;
  ASSERT_TRUE(until([&] { return held.begun > begun; }));
  held.fails = false;
  EXPECT_TRUE(until([&] { return count->get() == 20'001; })) << count->get();
}

}  // namespace vcfs::tracker::test
