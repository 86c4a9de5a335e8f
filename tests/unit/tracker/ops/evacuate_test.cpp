#include "tests/unit/tracker/engines.h"

// Servers that leave, what is left on them, and the catalog in pages for fsck; on both engines.
namespace vcfs::tracker::test {

class EvacuateTest : public OpsTest {
 protected:
  Layout layoutOf(InodeId inode) {
    return read([inode](SqlTx& tx) { return ops::getAttr(tx, inode); }).layout;
  }
  ops::Fence takeLease() {
    const std::int64_t now = now_;
    seen_.lease =
        write([now, seen = seen_](SqlTx& tx) { return ops::renewLease(tx, "t1", "", seen, now, LeaseRules()); });
    return ops::Fence{seen_.lease.holder, seen_.lease.term};
  }
  SeenLease seen_;
  template <class... Values>
  static Task<bool> run(SqlTx& tx, Statement statement, Values... values) {
    co_await tx.exec(statement, values...);
    co_return true;
  }
  void close(const Layout& layout) {
    ops::FileReport file;
    file.inode = layout.inode;
    file.epoch = layout.epoch;
    file.size = 1000;
    file.mtimeNs = now_;
    file.state = FileState::closed;
    std::vector<ops::FileReport> files{file};
    const StorageId primary = layout.primary()->storage;
    write([primary, files, o = occasion()](SqlTx& tx) { return ops::reportFiles(tx, primary, files, o); });
  }
  void drain(StorageId storage) {
    auto view = std::make_shared<PlacementView>(*view_);
    for (Server& server : view->servers) server.leaving = server.id == storage;
    view_ = view;
  }
  ops::LayoutPage evacuate(StorageId storage, bool gone = false, bool behind = false) {
    const ops::Fence fence = takeLease();
    ops::Evacuee from;
    from.storage = storage;
    from.gone = gone;
    from.behind = behind;
    return write([=, o = occasion()](SqlTx& tx) { return ops::evacuate(tx, fence, from, 0, 100, o); });
  }
  Layout caughtUp(const Layout& layout, StorageId storage) {
    const InodeId inode = layout.inode;
    const Epoch epoch = layout.epoch;
    return write([=, o = occasion()](SqlTx& tx) { return ops::caughtUp(tx, storage, inode, epoch, o); }).layout;
  }
  ops::LayoutChange handOver(const Layout& layout, std::vector<StorageId> equal) {
    const ops::Fence fence = takeLease();
    const InodeId inode = layout.inode;
    const Epoch epoch = layout.epoch;
    return write([=, o = occasion()](SqlTx& tx) { return ops::handOver(tx, fence, inode, epoch, equal, o); });
  }
  std::vector<StorageId> others(const Layout& layout, StorageId than) {
    std::vector<StorageId> list;
    for (const Replica& replica : layout.replicas) {
      if (replica.storage != than && replica.state == ReplicaState::inSync) list.push_back(replica.storage);
    }
    return list;
  }
  StorageId registered(const std::string& name, StorageId previous = 0, bool empty = true) {
    const ops::Disk disk{previous, empty};
    ops::StorageRow row;
    row.name = name;
    row.group = "g1";
    row.zone = name;
    row.address = name + ":1";
    row.dataDirectory = "/" + name;
    return write([=](SqlTx& tx) { return ops::registerStorage(tx, row, 2, disk); });
  }
  Errc refusedAs(const std::string& name, StorageId previous) {
    return codeOf([&] { registered(name, previous); });
  }
  void away(StorageId storage) {
    write([storage, now = now_](SqlTx& tx) { return ops::setAwaySince(tx, storage, now); });
  }
  void remove(StorageId storage) {
    write([storage, o = occasion()](SqlTx& tx) { return ops::removeStorage(tx, storage, o); });
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, EvacuateTest, ::testing::Values("sqlite", "mariadb"));

TEST_P(EvacuateTest, a_new_disk_does_not_pass_for_one_that_has_files) {
  for (const char* name : {"s1", "s2", "s3"}) registered(name);
  const Layout layout = create(kRootInode, "f").entry.layout;
  const StorageId id = layout.primary()->storage;
  const std::string name = "s" + std::to_string(id);
  EXPECT_EQ(refusedAs(name, 0), Errc::invalid) << "it is being recorded";
  close(layout);
  EXPECT_EQ(refusedAs(name, 0), Errc::invalid);
  EXPECT_EQ(registered(name, 0, false), id) << "it has forgotten only whose it is";
  EXPECT_EQ(registered(name, id), id) << "the disk that has them";
}

TEST_P(EvacuateTest, a_new_disk_does_not_pass_for_one_that_is_being_emptied_or_removed) {
  const StorageId id = registered("s1");
  EXPECT_EQ(registered("s1"), id) << "nothing was ever placed there";
  write([id](SqlTx& tx) { return ops::setDraining(tx, id, true); });
  EXPECT_EQ(refusedAs("s1", 0), Errc::invalid);
  EXPECT_EQ(registered("s1", id), id);
  away(id);
  remove(id);
  EXPECT_EQ(registered("s1"), id + 1);
  EXPECT_EQ(refusedAs("s1", id), Errc::invalid);
}

TEST_P(EvacuateTest, a_server_that_has_come_back_is_not_removed) {
  const StorageId id = registered("s1");
  EXPECT_EQ(codeOf([&] { remove(id); }), Errc::unavailable);
  away(id);
  registered("s1", id);  // at another tracker
  EXPECT_EQ(codeOf([&] { remove(id); }), Errc::unavailable);
  away(id);
  remove(id);
}

TEST_P(EvacuateTest, a_drained_server_loses_its_replica_when_the_new_one_is_in_sync) {
  const Layout before = create(kRootInode, "f").entry.layout;
  close(before);
  const StorageId drained = before.primary()->storage;
  drain(drained);
  const ops::LayoutPage first = evacuate(drained);
  ASSERT_EQ(first.layouts.size(), 1u);
  EXPECT_TRUE(first.layouts[0].changed);
  const Layout wider = first.layouts[0].layout;
  ASSERT_EQ(wider.replicas.size(), 3u);
  EXPECT_FALSE(evacuate(drained).layouts.at(0).changed);
  const Layout after = caughtUp(wider, wider.replicas.back().storage);
  EXPECT_EQ(after.replicas.size(), 2u);
  for (const Replica& replica : after.replicas) EXPECT_NE(replica.storage, drained);
  EXPECT_EQ(read([drained](SqlTx& tx) { return ops::listRemovals(tx, drained, 0, 10); }).size(), 1u);
  EXPECT_TRUE(evacuate(drained).layouts.empty());
}

TEST_P(EvacuateTest, what_is_to_be_deleted_on_a_server_gets_no_new_replica_there_meanwhile) {
  const Layout before = create(kRootInode, "f").entry.layout;
  close(before);
  const StorageId drained = before.primary()->storage;
  drain(drained);
  const StorageId added = evacuate(drained).layouts.at(0).layout.replicas.back().storage;
  // Neither is heard of for a while, so that the one that leaves has to catch up first.
  evacuate(drained, true);
  auto away = std::make_shared<PlacementView>(*view_);
  for (Server& server : away->servers) server.alive = server.id != added;
  const auto all = std::exchange(view_, away);
  const ops::Fence fence = takeLease();
  const std::vector<InodeId> lacking(1, before.inode);
  const Layout revived =
      write([=, o = occasion()](SqlTx& tx) { return ops::completeFiles(tx, fence, lacking, o); }).layouts.at(0).layout;
  view_ = all;
  drain(0);  // it need not be emptied any more: what was begun for that is superfluous
  const Layout after = caughtUp(revived, drained);
  const auto doomed = read([added](SqlTx& tx) { return ops::listRemovals(tx, added, 0, 10); });
  ASSERT_EQ(doomed.size(), 1u);
  EXPECT_EQ(doomed[0].inode, before.inode);
  for (const Replica& replica : after.replicas) EXPECT_NE(replica.storage, added);
  drain(drained);
  EXPECT_FALSE(evacuate(drained).layouts.at(0).changed);
  // Once it was deleted there, it is made there again.
  const InodeId inode = before.inode;
  write([=](SqlTx& tx) { return ops::removalsDone(tx, fence, added, {inode}); });
  const Layout wider = evacuate(drained).layouts.at(0).layout;
  EXPECT_EQ(wider.replicas.back().storage, added);
  EXPECT_EQ(caughtUp(wider, added).replicas.size(), 2u);
}

TEST_P(EvacuateTest, a_running_recording_is_handed_over_before_it_leaves) {
  const Layout before = create(kRootInode, "f").entry.layout;
  const StorageId drained = before.primary()->storage;
  drain(drained);
  const Layout wider = evacuate(drained).layouts.at(0).layout;
  EXPECT_FALSE(evacuate(drained).layouts.at(0).mayHandOver);
  const Layout ready = caughtUp(wider, wider.replicas.back().storage);
  ASSERT_EQ(ready.replicas.size(), 3u);
  EXPECT_EQ(ready.primary()->storage, drained) << "it was not asked";
  const ops::LayoutChange asked = evacuate(drained).layouts.at(0);
  EXPECT_FALSE(asked.changed);
  ASSERT_TRUE(asked.mayHandOver);
  const ops::LayoutChange late = handOver(before, others(before, drained));
  EXPECT_FALSE(late.changed) << "that epoch is over";
  const ops::LayoutChange handed = handOver(ready, others(ready, drained));
  EXPECT_EQ(handed.dropped, std::vector<StorageId>{drained});
  ASSERT_EQ(handed.layout.replicas.size(), 2u);
  for (const Replica& replica : handed.layout.replicas) EXPECT_EQ(replica.state, ReplicaState::inSync);
  EXPECT_EQ(read([drained](SqlTx& tx) { return ops::listRemovals(tx, drained, 0, 10); }).size(), 1u);
}

TEST_P(EvacuateTest, a_primary_that_has_lost_the_others_goes_on_in_the_next_epoch) {
  const Layout before = create(kRootInode, "f").entry.layout;
  const StorageId drained = before.primary()->storage;
  drain(drained);
  const Layout wider = evacuate(drained).layouts.at(0).layout;
  const Layout ready = caughtUp(wider, wider.replicas.back().storage);
  const ops::LayoutChange handed = handOver(ready, {});
  EXPECT_TRUE(handed.changed);
  EXPECT_EQ(handed.layout.epoch, ready.epoch + 1);
  EXPECT_EQ(handed.layout.primary()->storage, drained);
  EXPECT_TRUE(others(handed.layout, drained).empty());
}

TEST_P(EvacuateTest, a_replica_kept_in_reserve_is_dropped_when_the_emptying_is_called_off) {
  const Layout before = create(kRootInode, "f").entry.layout;
  const StorageId drained = before.primary()->storage;
  drain(drained);
  const Layout wider = evacuate(drained).layouts.at(0).layout;
  const StorageId added = wider.replicas.back().storage;
  ops::FailedReplica lost{wider.inode, wider.epoch, added};
  write([=, o = occasion()](SqlTx& tx) {
    return ops::reportFailure(tx, std::vector<ops::FailedReplica>{lost}, drained, o);
  });
  auto dropped = [&] {
    const auto found = read([added](SqlTx& tx) { return ops::listReserves(tx, added, 0, 10); });
    const ops::Fence fence = takeLease();
    return write([=, o = occasion()](SqlTx& tx) { return ops::dropReserves(tx, fence, found.inodes, o); });
  };
  // What the server says when it comes back: it is kept, one of the others is to go.
  const auto told = write([=, o = occasion()](SqlTx& tx) { return ops::staleReplicas(tx, added, 0, 10, o); });
  EXPECT_FALSE(told.layouts.at(0).changed);
  EXPECT_TRUE(dropped().layouts.empty());
  drain(0);
  const ops::LayoutPage page = dropped();
  ASSERT_EQ(page.layouts.size(), 1u);
  EXPECT_EQ(page.layouts[0].layout.replicas.size(), 2u);
  for (const Replica& replica : page.layouts[0].layout.replicas) {
    EXPECT_NE(replica.storage, added);
    EXPECT_EQ(replica.state, ReplicaState::inSync);
  }
  EXPECT_EQ(read([added](SqlTx& tx) { return ops::listRemovals(tx, added, 0, 10); }).size(), 1u);
  EXPECT_TRUE(dropped().layouts.empty());
}

TEST_P(EvacuateTest, reserves_are_listed_in_pages_and_only_of_files_that_lack_none) {
  std::vector<InodeId> made;
  for (const char* name : {"a", "b", "c", "d"}) made.push_back(create(kRootInode, name).entry.attr.inode);
  // 1: on its way. 2: the file lacks a copy.
  constexpr Statement kAdd{"INSERT INTO replicas (inode, position, storage, state) VALUES (?, 9, 77, ?)"};
  constexpr Statement kLack{"UPDATE inodes SET missing = 1 WHERE inode = ?"};
  for (std::size_t i = 0; i < made.size(); ++i) {
    const InodeId inode = made[i];
    const int state = i == 1 ? 1 : 2;
    write([=](SqlTx& tx) { return run(tx, kAdd, inode, state); });
  }
  write([inode = made[2]](SqlTx& tx) { return run(tx, kLack, inode); });
  auto page = [&](InodeId after) { return read([after](SqlTx& tx) { return ops::listReserves(tx, 77, after, 2); }); };
  const ops::InodePage first = page(0);
  EXPECT_EQ(first.inodes, std::vector<InodeId>{made[0]});
  EXPECT_EQ(first.last, made[2]);
  EXPECT_TRUE(first.more);
  const ops::InodePage second = page(first.last);
  EXPECT_EQ(second.inodes, std::vector<InodeId>{made[3]});
  EXPECT_FALSE(second.more);
}

TEST_P(EvacuateTest, a_server_that_is_gone_is_replaced_and_counted_until_then) {
  const Layout before = create(kRootInode, "f").entry.layout;
  close(before);
  const StorageId gone = registered("s1");  // 1, as in the view
  for (StorageId id = gone; id < 3; ++id) registered("s" + std::to_string(id + 1));
  const StorageId lost = before.replicas[1].storage;
  write([lost, now = now_](SqlTx& tx) { return ops::setAwaySince(tx, lost, now); });
  const auto counted = read([lost](SqlTx& tx) { return ops::census(tx, lost, 0, 100); });
  EXPECT_EQ(counted.files, 1u);
  EXPECT_EQ(counted.counted, 1u);
  EXPECT_EQ(counted.countedBytes, 1000u);
  EXPECT_EQ(counted.onlyHere, 0u);
  servers({lost});
  const Layout wider = evacuate(lost, true).layouts.at(0).layout;
  EXPECT_EQ(wider.replicas.size(), 3u);
  EXPECT_EQ(read([lost](SqlTx& tx) { return ops::census(tx, lost, 0, 100); }).files, 0u);
  EXPECT_EQ(read([](SqlTx& tx) { return ops::census(tx, 0, 0, 100); }).countedBytes, 1000u);
  const StorageId added = wider.replicas.back().storage;
  EXPECT_EQ(read([added](SqlTx& tx) { return ops::countSyncing(tx, added, 10); }), 1u);
  EXPECT_EQ(caughtUp(wider, added).replicas.size(), 2u);
}

TEST_P(EvacuateTest, a_removed_server_leaves_no_rows_and_its_id_is_not_given_again) {
  const StorageId one = registered("s1");
  const StorageId two = registered("s2");
  EXPECT_EQ(two, one + 1);
  away(two);
  remove(two);
  EXPECT_EQ(read([](SqlTx& tx) { return ops::listStorages(tx); }).size(), 1u);
  EXPECT_EQ(codeOf([&] { registered("s2", two); }), Errc::invalid);
  EXPECT_EQ(registered("s2"), two + 1);
}

TEST_P(EvacuateTest, a_server_with_a_replica_is_not_removed) {
  const Layout layout = create(kRootInode, "f").entry.layout;
  const StorageId holder = layout.replicas[0].storage;
  EXPECT_EQ(codeOf([&] { remove(holder); }), Errc::notEmpty);
}

TEST_P(EvacuateTest, draining_is_remembered) {
  const StorageId one = registered("s1");
  write([one](SqlTx& tx) { return ops::setDraining(tx, one, true); });
  registered("s1", one);
  EXPECT_TRUE(read([](SqlTx& tx) { return ops::listStorages(tx); }).at(0).draining);
}

TEST_P(EvacuateTest, the_audit_sees_every_inode_name_and_orphan) {
  const InodeId dir = mkdir(kRootInode, "d").entry.attr.inode;
  const Layout layout = create(dir, "f").entry.layout;
  link(layout.inode, kRootInode, "g");
  const auto files = read([](SqlTx& tx) { return ops::auditFiles(tx, 0, 2); });
  EXPECT_EQ(files.files.size(), 2u);
  EXPECT_TRUE(files.more);
  const InodeId last = files.files.back().attr.inode;
  const auto rest = read([last](SqlTx& tx) { return ops::auditFiles(tx, last, 100); });
  EXPECT_EQ(rest.files.size(), 1u);
  EXPECT_EQ(rest.files[0].layout.replicas.size(), 2u);
  EXPECT_TRUE(rest.orphans.empty());
  const auto names = read([](SqlTx& tx) { return ops::auditNames(tx, 0, "", 2); });
  ASSERT_EQ(names.names.size(), 2u);
  EXPECT_TRUE(names.more);
  const auto more = read([n = names.names.back()](SqlTx& tx) { return ops::auditNames(tx, n.parent, n.name, 2); });
  ASSERT_EQ(more.names.size(), 1u);
  EXPECT_EQ(more.names[0].inode, layout.inode);
  EXPECT_EQ(more.names[0].parentType, FileType::directory);
  EXPECT_EQ(read([dir](SqlTx& tx) {
              return ops::pathsOf(tx, {dir, kRootInode});
            }),
            (std::vector<std::string>{"/d", ""}));
}

TEST_P(EvacuateTest, the_audit_of_a_reclaimed_file_names_who_has_still_to_delete_it) {
  const Layout layout = create(kRootInode, "f").entry.layout;
  const InodeId inode = layout.inode;
  unlink(kRootInode, "f");
  const auto trashed = read([inode](SqlTx& tx) { return ops::auditInodes(tx, {inode}); });
  EXPECT_TRUE(trashed.files.at(0).trashed);
  const ops::Fence fence = takeLease();
  const std::int64_t later = now_ + 60'000'000'000;
  write([=](SqlTx& tx) { return ops::reclaimTrash(tx, fence, later, 10); });
  const auto gone = read([inode](SqlTx& tx) { return ops::auditInodes(tx, {inode, inode + 1000}); });
  ASSERT_EQ(gone.files.size(), 1u);
  EXPECT_EQ(gone.files[0].attr.type, FileType::none);
  EXPECT_EQ(gone.files[0].removals.size(), 2u);
}

}  // namespace vcfs::tracker::test
