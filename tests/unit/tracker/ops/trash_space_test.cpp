#include "tests/unit/tracker/engines.h"

// What servers get back from the trash, on both engines.
namespace vcfs::tracker::test {

class TrashSpaceOpsTest : public OpsTest {
 protected:
  static Task<bool> sealed(SqlTx& tx) {
    co_await tx.exec(Statement{"UPDATE inodes SET state = 2, blocks = 8 WHERE inode <> 1"});
    co_return true;
  }
  void deleted(const std::string& name) {
    create(kRootInode, name);
    write(sealed);
    unlink(kRootInode, name);
  }
  ops::TrashSpacePage page(ops::TrashPlace after, std::uint32_t limit) {
    const std::int64_t now = now_;
    return read([=](SqlTx& tx) { return ops::trashSpace(tx, after, now, limit); });
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, TrashSpaceOpsTest, ::testing::Values("sqlite", "mariadb"));

TEST_P(TrashSpaceOpsTest, tells_every_replica_page_by_page) {
  for (const char* name : {"a", "b", "c"}) deleted(name);
  const ops::TrashSpacePage first = page({}, 2);
  ASSERT_EQ(first.replicas.size(), 4u) << "two copies each";
  EXPECT_TRUE(first.more);
  for (const ops::TrashedReplica& replica : first.replicas) {
    EXPECT_EQ(replica.bytes, 4096u);
    EXPECT_NE(replica.storage, 0u);
    EXPECT_GT(replica.dueNs, now_);
  }
  const ops::TrashSpacePage second = page(first.last, 2);
  EXPECT_EQ(second.replicas.size(), 2u);
  EXPECT_FALSE(second.more);
  const ops::TrashSpacePage end = page(second.last, 2);
  EXPECT_TRUE(end.replicas.empty());
  EXPECT_EQ(end.last.inode, second.last.inode) << "what comes later is behind it";
  deleted("d");
  EXPECT_EQ(page(end.last, 2).replicas.size(), 2u);
}

TEST_P(TrashSpaceOpsTest, leaves_out_what_is_pinned_recorded_or_has_no_data) {
  mkdir(kRootInode, "d");
  rmdir(kRootInode, "d");
  deleted("pinned");
  create(kRootInode, "recorded");
  unlink(kRootInode, "recorded");
  const InodeId pinned =
      static_cast<InodeId>(number(Statement{"SELECT inode FROM inodes WHERE nlink = 0 AND state = 2 AND type = 1"}));
  ASSERT_EQ(page({}, 10).replicas.size(), 2u);
  const std::int64_t until = now_ + 1000;
  write([=](SqlTx& tx) { return ops::pin(tx, {pinned}, 7, until); });
  const ops::TrashSpacePage found = page({}, 10);
  EXPECT_TRUE(found.replicas.empty());
  EXPECT_FALSE(found.more);
  now_ = until + 1;
  EXPECT_EQ(page({}, 10).replicas.size(), 2u) << "the pin is over";
}

}  // namespace vcfs::tracker::test
