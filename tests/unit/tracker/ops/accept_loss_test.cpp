#include "tests/unit/tracker/engines.h"

// A server that is gone for good: what only it had goes on with an older copy, or is lost; on both engines.
namespace vcfs::tracker::test {

class AcceptLossTest : public OpsTest {
 protected:
  void SetUp() override {
    OpsTest::SetUp();
    for (StorageId id = 1; id <= 3; ++id) {
      ops::StorageRow row;
      row.name = "s" + std::to_string(id);
      row.group = "g1";
      row.zone = row.name;
      row.address = row.name + ":1";
      write([row](SqlTx& tx) { return ops::registerStorage(tx, row, 2, ops::Disk()); });
    }
  }
  // Its follower is lost, and gets no substitute.
  Layout behind(const std::string& name) {
    const Layout before = create(kRootInode, name).entry.layout;
    std::vector<ops::FailedReplica> failed{{before.inode, before.epoch, before.replicas[1].storage}};
    auto alone = std::make_shared<PlacementView>(*view_);
    for (Server& server : alone->servers) server.alive = server.id == before.replicas[0].storage;
    const auto all = std::exchange(view_, alone);
    write([failed, o = occasion()](SqlTx& tx) { return ops::reportFailure(tx, failed, 0, o); });
    view_ = all;
    return layoutOf(before.inode);
  }
  Layout layoutOf(InodeId inode) {
    return read([inode](SqlTx& tx) { return ops::getAttr(tx, inode); }).layout;
  }
  void goesAway(StorageId storage) {
    servers({storage});
    write([storage](SqlTx& tx) { return ops::setAwaySince(tx, storage, 1); });
  }
  static ops::Loss keep(const Layout& layout, StorageId source, std::uint64_t size) {
    ops::Loss loss;
    loss.inode = layout.inode;
    loss.epoch = layout.epoch;
    loss.fate = Fate::kept;
    loss.source = source;
    loss.size = size;
    loss.mtimeNs = 77;
    return loss;
  }
  static ops::Loss lose(const Layout& layout) {
    ops::Loss loss;
    loss.inode = layout.inode;
    loss.epoch = layout.epoch;
    return loss;
  }
  ops::LayoutChange accept(StorageId gone, ops::Loss loss) {
    std::vector<ops::Loss> losses{loss};
    return write([=, o = occasion()](SqlTx& tx) { return ops::acceptLoss(tx, gone, losses, o); }).at(0);
  }
  // The only one in sync, and the one that is behind.
  static StorageId goneOf(const Layout& layout) { return layout.primary()->storage; }
  static StorageId olderOf(const Layout& layout) {
    for (const Replica& replica : layout.replicas) {
      if (replica.state == ReplicaState::stale) return replica.storage;
    }
    return 0;
  }
  void remove(StorageId storage) {
    write([storage, o = occasion()](SqlTx& tx) { return ops::removeStorage(tx, storage, o); });
  }
  std::size_t missing() {
    return read([](SqlTx& tx) { return ops::countFiles(tx); }).degraded;
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, AcceptLossTest, ::testing::Values("sqlite", "mariadb"));

TEST_P(AcceptLossTest, the_older_copy_becomes_the_only_one_in_sync) {
  const Layout before = behind("f");
  const StorageId gone = goneOf(before), older = olderOf(before);
  ASSERT_NE(older, 0u);
  goesAway(gone);
  const ops::LayoutChange change = accept(gone, keep(before, older, 700));
  EXPECT_TRUE(change.changed);
  EXPECT_EQ(change.layout.epoch, before.epoch + 1);
  const Layout after = layoutOf(before.inode);
  ASSERT_NE(after.primary(), nullptr);
  EXPECT_EQ(after.primary()->storage, older);
  EXPECT_EQ(after.replicas.size(), 1u);
  const Attr now = attr(before.inode);
  EXPECT_EQ(now.size, 700u);
  EXPECT_EQ(now.state, FileState::recovered);
  EXPECT_EQ(now.mtimeNs, 77);
  EXPECT_EQ(missing(), 1u) << "the other copy is still to be made";
  EXPECT_NO_THROW(remove(gone));
}

// Who takes it back at another node of the database, because the server has come back, excludes this then. SQLite has
// one writer.
TEST_P(AcceptLossTest, that_the_server_is_away_is_written_where_others_write_too) {
  const Layout before = behind("f");
  const StorageId gone = goneOf(before);
  goesAway(gone);
  ASSERT_TRUE(accept(gone, lose(before)).changed);
  const auto rows = read([](SqlTx& tx) { return ops::listStorages(tx); });
  EXPECT_EQ(rows.at(gone - 1).awaySinceNs, catalog_->shared() ? 2 : 1);
}

TEST_P(AcceptLossTest, a_lost_file_keeps_its_name_and_size_and_nothing_is_to_be_copied) {
  const Layout before = behind("f");
  const StorageId gone = goneOf(before);
  goesAway(gone);
  const ops::LayoutChange change = accept(gone, lose(before));
  EXPECT_TRUE(change.changed);
  EXPECT_EQ(change.dropped, std::vector<StorageId>{olderOf(before)});
  EXPECT_TRUE(layoutOf(before.inode).replicas.empty());
  const StorageId older = olderOf(before);
  EXPECT_TRUE(read([older](SqlTx& tx) { return ops::listRemovals(tx, older, 0, 10); }).empty())
      << "what it has, it keeps";
  EXPECT_EQ(attr(before.inode).state, FileState::lost);
  EXPECT_EQ(missing(), 0u);
  ASSERT_TRUE(lookup(kRootInode, "f"));
  const InodeId inode = before.inode;
  EXPECT_EQ(codeOf([&] { write([=, o = occasion()](SqlTx& tx) { return ops::openForWrite(tx, inode, 1, o); }); }),
            Errc::io);
  EXPECT_NO_THROW(unlink(kRootInode, "f"));
  EXPECT_FALSE(lookup(kRootInode, "f"));
}

TEST_P(AcceptLossTest, it_may_be_repeated_and_comes_too_late_when_something_has_changed) {
  const Layout before = behind("f");
  const StorageId gone = goneOf(before);
  goesAway(gone);
  ops::Loss old = keep(before, olderOf(before), 700);
  --old.epoch;
  EXPECT_FALSE(accept(gone, old).changed);
  EXPECT_EQ(layoutOf(before.inode).epoch, before.epoch);
  EXPECT_TRUE(accept(gone, keep(before, olderOf(before), 700)).changed);
  EXPECT_FALSE(accept(gone, keep(before, olderOf(before), 300)).changed);
  EXPECT_FALSE(accept(gone, keep(before, 0, 700 - 1)).changed);
  EXPECT_FALSE(accept(gone, lose(before)).changed);
  EXPECT_EQ(attr(before.inode).size, 700u);
}

// The answer of the commit was lost; who gave something up must be told of it.
TEST_P(AcceptLossTest, what_was_done_is_told_again_when_the_same_is_repeated) {
  const Layout kept = behind("kept"), lost = behind("lost");
  goesAway(goneOf(kept));
  const ops::Loss keeping = keep(kept, olderOf(kept), 700);
  EXPECT_TRUE(accept(goneOf(kept), keeping).changed);
  const ops::LayoutChange again = accept(goneOf(kept), keeping);
  EXPECT_TRUE(again.changed);
  EXPECT_EQ(again.layout.epoch, kept.epoch + 1) << "and not done again";
  EXPECT_EQ(layoutOf(kept.inode).epoch, kept.epoch + 1);
  goesAway(goneOf(lost));
  EXPECT_TRUE(accept(goneOf(lost), lose(lost)).changed);
  EXPECT_TRUE(accept(goneOf(lost), lose(lost)).changed);
  EXPECT_EQ(layoutOf(lost.inode).epoch, lost.epoch + 1);
}

TEST_P(AcceptLossTest, a_file_without_a_byte_for_which_there_is_no_place_holds_nothing_up) {
  const Layout before = behind("f");
  const StorageId gone = goneOf(before);
  goesAway(gone);
  auto nobody = std::make_shared<PlacementView>(*view_);
  for (Server& server : nobody->servers) server.alive = server.id == olderOf(before);
  view_ = nobody;
  const ops::LayoutChange change = accept(gone, keep(before, 0, 0));
  EXPECT_TRUE(change.changed);
  EXPECT_TRUE(change.layout.replicas.empty());
  EXPECT_EQ(attr(before.inode).state, FileState::lost);
  EXPECT_TRUE(accept(gone, keep(before, 0, 0)).changed);
}

TEST_P(AcceptLossTest, nothing_is_given_up_of_a_file_that_another_server_has) {
  const Layout before = create(kRootInode, "f").entry.layout;
  const StorageId gone = before.replicas[0].storage;
  goesAway(gone);
  EXPECT_FALSE(accept(gone, lose(before)).changed);
  EXPECT_EQ(layoutOf(before.inode).epoch, before.epoch);
}

TEST_P(AcceptLossTest, nothing_is_given_up_once_any_tracker_has_heard_of_the_server) {
  const Layout before = behind("f");
  const StorageId gone = goneOf(before);
  goesAway(gone);
  write([gone](SqlTx& tx) { return ops::setAwaySince(tx, gone, 0); });
  EXPECT_EQ(codeOf([&] { accept(gone, lose(before)); }), Errc::unavailable);
  goesAway(gone);
  servers();
  EXPECT_EQ(codeOf([&] { accept(gone, lose(before)); }), Errc::unavailable) << "this one has";
  EXPECT_EQ(layoutOf(before.inode).epoch, before.epoch);
}

TEST_P(AcceptLossTest, a_file_without_a_byte_begins_anew_on_another_server) {
  const Layout before = behind("f");
  const StorageId gone = goneOf(before);
  goesAway(gone);
  EXPECT_TRUE(accept(gone, keep(before, 0, 0)).changed);
  const Layout after = layoutOf(before.inode);
  ASSERT_NE(after.primary(), nullptr);
  EXPECT_NE(after.primary()->storage, gone);
  EXPECT_NE(after.primary()->storage, olderOf(before)) << "that one may have bytes";
}

TEST_P(AcceptLossTest, files_on_a_server_come_in_pages) {
  std::vector<InodeId> inodes;
  for (int i = 0; i < 5; ++i) inodes.push_back(behind("f" + std::to_string(i)).inode);
  std::set<InodeId> seen;
  for (StorageId storage = 1; storage <= 3; ++storage) {
    InodeId after = 0;
    for (bool more = true; more;) {
      const auto page = read([=](SqlTx& tx) { return ops::filesOn(tx, storage, after, 2); });
      EXPECT_LE(page.files.size(), 2u);
      for (const ops::InodeRow& row : page.files) EXPECT_TRUE(seen.insert(row.attr.inode).second);
      after = page.last;
      more = page.more;
    }
  }
  EXPECT_EQ(seen.size(), inodes.size());
}

}  // namespace vcfs::tracker::test
