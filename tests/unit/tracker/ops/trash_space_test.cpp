#include <set>

#include "tests/unit/tracker/engines.h"

// What servers get back from the trash, on both engines.
namespace vcfs::tracker::test {

namespace {

// A transaction before whose second statement something changes, as it does on MariaDB when others commit.
class CutIn final : public SqlTx {
 public:
  CutIn(SqlTx& tx, Statement change) : tx_(tx), change_(change) {}
  Task<Rows> execute(const Statement& statement, std::vector<Value> values) override {
    if (++statements_ == 2) co_await tx_.exec(change_);
    co_return co_await tx_.execute(statement, std::move(values));
  }
  Task<std::vector<Rows>> executeAll(std::vector<Query> queries) override { return tx_.executeAll(std::move(queries)); }
  void writeLater(Query query) override { tx_.writeLater(std::move(query)); }
  bool elsewhere() const override { return tx_.elsewhere(); }

 private:
  SqlTx& tx_;
  Statement change_;
  int statements_ = 0;
};

Task<ops::TrashSpacePage> cutIn(SqlTx& tx, Statement change, std::int64_t now, std::uint32_t limit) {
  CutIn between(tx, change);
  co_return co_await ops::trashSpace(between, {}, now, limit);
}

}  // namespace

class TrashSpaceOpsTest : public OpsTest {
 protected:
  static Task<bool> sealed(SqlTx& tx) {
    co_await tx.exec(Statement{"UPDATE inodes SET state = 2, blocks = 8 WHERE inode <> 1"});
    co_return true;
  }
  static Task<bool> allDueAtOnce(SqlTx& tx) {
    co_await tx.exec(Statement{"UPDATE trash SET due = 2000000000000"});
    co_return true;
  }
  InodeId deleted(const std::string& name) {
    const InodeId inode = create(kRootInode, name).entry.attr.inode;
    write(sealed);
    unlink(kRootInode, name);
    return inode;
  }
  // Of two inodes, each once.
  std::set<InodeId> foundWhile(Statement change) {
    const std::int64_t now = now_;
    const auto page = write([=](SqlTx& tx) { return cutIn(tx, change, now, 2); });
    std::set<InodeId> inodes;
    for (const ops::TrashedReplica& replica : page.replicas) inodes.insert(replica.inode);
    return inodes;
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

TEST_P(TrashSpaceOpsTest, tells_apart_what_is_due_at_the_same_time) {
  std::set<InodeId> files;
  for (const char* name : {"a", "b", "c"}) files.insert(deleted(name));
  write([](SqlTx& tx) { return allDueAtOnce(tx); });
  const ops::TrashSpacePage first = page({}, 2);
  const ops::TrashSpacePage second = page(first.last, 2);
  EXPECT_EQ(first.replicas.size(), 4u);
  EXPECT_EQ(second.replicas.size(), 2u);
  std::set<InodeId> found;
  for (const ops::TrashedReplica& replica : first.replicas) found.insert(replica.inode);
  for (const ops::TrashedReplica& replica : second.replicas) found.insert(replica.inode);
  EXPECT_EQ(found, files);
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

TEST_P(TrashSpaceOpsTest, what_goes_meanwhile_draws_in_nothing_of_the_next_page) {
  deleted("a");
  const InodeId b = deleted("b");
  deleted("c");
  EXPECT_EQ(foundWhile(Statement{"DELETE FROM trash WHERE inode = (SELECT MIN(inode) FROM inodes WHERE nlink = 0)"}),
            std::set<InodeId>{b});
}

TEST_P(TrashSpaceOpsTest, what_comes_meanwhile_hides_nothing_of_the_page) {
  const InodeId a = deleted("a");
  const InodeId b = deleted("b");
  deleted("c");
  const InodeId d = deleted("d");
  EXPECT_EQ(foundWhile(Statement{
                "UPDATE trash SET due = due - 1000000 WHERE inode = (SELECT MAX(inode) FROM inodes WHERE nlink = 0)"}),
            (std::set<InodeId>{a, b, d}));
}

}  // namespace vcfs::tracker::test
