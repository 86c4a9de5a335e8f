#include "tests/unit/tracker/engines.h"

// Epochs, failures, reports, the trash and the coordinator's operations, on both engines.
namespace vcfs::tracker::test {

class ReplicasTest : public OpsTest {
 protected:
  Layout layoutOf(InodeId inode) {
    return read([inode](SqlTx& tx) { return ops::getAttr(tx, inode); }).layout;
  }
  ops::LayoutChange lose(const Layout& layout, StorageId storage, bool unasked = false) {
    std::vector<ops::FailedReplica> failed{{layout.inode, layout.epoch, storage, unasked}};
    return write([failed, o = occasion()](SqlTx& tx) { return ops::reportFailure(tx, failed, 0, o); }).at(0);
  }
  ops::FilesReported reported(StorageId storage, ops::FileReport file) {
    std::vector<ops::FileReport> files{file};
    return write([storage, files, o = occasion()](SqlTx& tx) { return ops::reportFiles(tx, storage, files, o); });
  }
  std::vector<Change> report(StorageId storage, ops::FileReport file) { return reported(storage, file).changes; }
  ops::Fence takeLease() {
    const std::int64_t now = now_;
    const Lease lease = write([now](SqlTx& tx) { return ops::renewLease(tx, "t1", "", {}, now, LeaseRules()); });
    return ops::Fence{lease.holder, lease.term};
  }
  ops::Reclaimed reclaim(ops::Fence fence, std::int64_t now) {
    return write([fence, now](SqlTx& tx) { return ops::reclaimTrash(tx, fence, now, 100); });
  }
  void seal(const Layout& layout) {
    ops::FileReport file;
    file.inode = layout.inode;
    file.epoch = layout.epoch;
    file.size = 1000;
    file.mtimeNs = now_;
    file.state = FileState::closed;
    report(layout.primary()->storage, file);
  }
  // A file that nobody writes any more.
  Layout recorded(const std::string& name) {
    const Layout layout = create(kRootInode, name).entry.layout;
    seal(layout);
    return layout;
  }
  void pin(InodeId inode, std::int64_t until) {
    write([=](SqlTx& tx) { return ops::pin(tx, {inode}, 5, until); });
  }
  ops::EarlyTrash findEarly(StorageId storage, std::int64_t now, ops::TrashPlace after = {},
                            std::uint32_t limit = 100) {
    const ops::TrashRules rules = occasion().trash;
    return read([=](SqlTx& tx) { return ops::findEarly(tx, storage, after, now, rules, limit); });
  }
  ops::InodePage listLacking(InodeId after, std::uint32_t limit) {
    const auto view = view_;
    return read([=](SqlTx& tx) { return ops::listLacking(tx, after, limit, view); });
  }
  ops::Forgotten forget(ops::Fence fence, std::int64_t after, std::int64_t before) {
    const ops::ForgetBefore both{before, before};
    return write([=](SqlTx& tx) { return ops::forgetOld(tx, fence, after, both, before); });
  }
  static Task<bool> changed(SqlTx& tx, Statement statement) {
    co_await tx.exec(statement);
    co_return true;
  }
  static Task<bool> recorded(SqlTx& tx, std::vector<ops::Request> requests, std::int64_t now) {
    for (const ops::Request& request : requests) {
      ops::recordRequest(tx, request, ops::RequestOp::setAttr, ops::Outcome(), now);
    }
    co_return true;
  }
  std::uint32_t reclaimEarly(ops::Fence fence, std::vector<InodeId> inodes, std::int64_t now) {
    return write([=](SqlTx& tx) { return ops::reclaimEarly(tx, fence, inodes, now); }).inodes;
  }
  static constexpr std::int64_t kMinute = 60'000'000'000;
};
INSTANTIATE_TEST_SUITE_P(Engines, ReplicasTest, ::testing::Values("sqlite", "mariadb"));

// The catalog was restored from a backup; one server that has the file since was not there then.
TEST_P(ReplicasTest, what_the_disks_have_is_adopted_above_their_epoch) {
  const Layout before = recorded("f");
  const StorageId kept = before.replicas[1].storage;
  StorageId added = 1;
  while (added == before.replicas[0].storage || added == kept) ++added;
  const ops::Newest newest{before.inode, before.epoch, before.epoch + 5, {kept, added}};
  const auto adopt = [&](ops::Newest wanted) {
    return write([wanted, o = occasion()](SqlTx& tx) { return ops::adoptNewer(tx, wanted, o); });
  };
  const auto change = adopt(newest);
  EXPECT_TRUE(change.changed);
  EXPECT_EQ(change.layout.epoch, before.epoch + 6);
  const Layout after = layoutOf(before.inode);
  EXPECT_EQ(after.epoch, before.epoch + 6);
  ASSERT_EQ(after.replicas.size(), 3u);
  EXPECT_EQ(after.primary()->storage, kept);
  EXPECT_EQ(after.replicas[1].storage, added);
  EXPECT_EQ(after.replicas[1].state, ReplicaState::inSync);
  EXPECT_EQ(after.replicas[2].state, ReplicaState::stale);
  EXPECT_FALSE(adopt(newest).changed) << "repeated";
  ops::Newest unknown = newest;
  unknown.epoch = after.epoch;
  unknown.newest = after.epoch + 1;
  unknown.holders = {99};
  EXPECT_THROW(adopt(unknown), Error);
  unknown.holders = {kept};
  unknown.newest = after.epoch;
  EXPECT_THROW(adopt(unknown), Error) << "it is not newer";
}

TEST_P(ReplicasTest, a_lost_primary_is_replaced_under_a_raised_epoch) {
  const Layout before = create(kRootInode, "f").entry.layout;
  const StorageId lost = before.primary()->storage;
  servers({lost});
  const auto change = lose(before, lost);
  EXPECT_TRUE(change.changed);
  EXPECT_EQ(change.layout.epoch, 2u);
  EXPECT_NE(change.layout.primary()->storage, lost);
  EXPECT_EQ(change.layout.replicas.size(), 3u);
  EXPECT_EQ(layoutOf(before.inode).epoch, 2u);
}

TEST_P(ReplicasTest, a_server_that_its_reporter_could_not_ask_is_lost_if_it_is_not_heard_here_either) {
  const Layout before = create(kRootInode, "f").entry.layout;
  const StorageId lost = before.primary()->storage;
  const auto heard = lose(before, lost, true);
  EXPECT_FALSE(heard.changed);
  EXPECT_EQ(heard.layout.epoch, 1u);
  servers({lost});
  EXPECT_TRUE(lose(before, lost, true).changed);
  EXPECT_EQ(layoutOf(before.inode).epoch, 2u);
}

TEST_P(ReplicasTest, a_report_of_an_old_epoch_only_gets_the_present_layout) {
  const Layout before = create(kRootInode, "f").entry.layout;
  lose(before, before.replicas[1].storage);
  const auto again = lose(before, before.replicas[0].storage);
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(again.layout.epoch, 2u);
}

TEST_P(ReplicasTest, a_report_about_no_file_has_inode_0) {
  Layout none;
  none.inode = 99999;
  none.epoch = 1;
  EXPECT_EQ(lose(none, 1).layout.inode, 0u);
}

TEST_P(ReplicasTest, a_new_replica_that_caught_up_makes_the_stale_one_superfluous) {
  const Layout before = create(kRootInode, "f").entry.layout;
  const StorageId lost = before.replicas[1].storage;
  servers({lost});
  const Layout degraded = lose(before, lost).layout;
  EXPECT_EQ(read([](SqlTx& tx) { return ops::countFiles(tx); }).degraded, 1u);
  const StorageId added = degraded.replicas.back().storage;
  const InodeId inode = before.inode;
  const auto stale = write([added, inode, o = occasion()](SqlTx& tx) { return ops::caughtUp(tx, added, inode, 1, o); });
  EXPECT_FALSE(stale.changed);
  const auto whole = write([added, inode, o = occasion()](SqlTx& tx) { return ops::caughtUp(tx, added, inode, 2, o); });
  EXPECT_TRUE(whole.changed);
  EXPECT_EQ(whole.layout.epoch, 3u);
  EXPECT_EQ(whole.layout.replicas.size(), 2u);
  EXPECT_EQ(whole.dropped, std::vector<StorageId>{lost});
  const auto removals = read([lost](SqlTx& tx) { return ops::listRemovals(tx, lost, 0, 10); });
  ASSERT_EQ(removals.size(), 1u);
  EXPECT_EQ(removals[0].inode, inode);
  EXPECT_EQ(removals[0].upTo, attr(inode).epoch);  // a replica that it gets again is of a newer one
  EXPECT_EQ(read([](SqlTx& tx) { return ops::countFiles(tx); }).degraded, 0u);
}

TEST_P(ReplicasTest, a_returning_server_is_told_what_to_catch_up) {
  const Layout before = create(kRootInode, "f").entry.layout;
  const StorageId lost = before.replicas[1].storage;
  servers({1, 2, 3});
  lose(before, lost);
  const auto page = write([lost, o = occasion()](SqlTx& tx) { return ops::staleReplicas(tx, lost, 0, 100, o); });
  ASSERT_EQ(page.layouts.size(), 1u);
  EXPECT_TRUE(page.layouts[0].changed);
  EXPECT_EQ(page.layouts[0].layout.epoch, 3u);
  EXPECT_EQ(page.layouts[0].layout.replicas[1].state, ReplicaState::syncing);
  EXPECT_FALSE(page.more);
}

TEST_P(ReplicasTest, who_reports_a_file_in_an_epoch_that_is_over_is_given_the_present_layout) {
  const Layout before = create(kRootInode, "f").entry.layout;
  lose(before, before.replicas[1].storage);
  ops::FileReport file;
  file.inode = before.inode;
  file.epoch = before.epoch;
  file.size = 5;
  file.state = FileState::closed;
  const StorageId primary = before.primary()->storage;
  const auto late = reported(primary, file);
  EXPECT_TRUE(late.changes.empty());
  ASSERT_EQ(late.newer.size(), 1u);
  EXPECT_EQ(late.newer[0].epoch, 2u);
  file.epoch = 2;
  EXPECT_TRUE(reported(primary, file).newer.empty());
  EXPECT_EQ(attr(before.inode).state, FileState::closed);
}

TEST_P(ReplicasTest, sizes_come_from_the_primary_of_the_epoch_only) {
  const Layout layout = create(kRootInode, "f").entry.layout;
  ops::FileReport file;
  file.inode = layout.inode;
  file.epoch = 1;
  file.size = 1000;
  file.mtimeNs = now_ + 500;
  file.blocks = 8;
  file.state = FileState::closed;
  EXPECT_TRUE(report(layout.replicas[1].storage, file).empty());
  file.epoch = 7;
  EXPECT_TRUE(report(layout.replicas[0].storage, file).empty());
  file.epoch = 1;
  EXPECT_EQ(report(layout.replicas[0].storage, file).size(), 1u);
  const Attr now = attr(layout.inode);
  EXPECT_EQ(now.size, 1000u);
  EXPECT_EQ(now.blocks, 8u);
  EXPECT_EQ(now.state, FileState::closed);
  EXPECT_EQ(now.mtimeNs, file.mtimeNs);
  EXPECT_TRUE(report(layout.replicas[0].storage, file).empty()) << "a repeat changes nothing";
}

TEST_P(ReplicasTest, a_time_that_was_set_by_hand_outlives_the_report_of_earlier_writes) {
  const Layout layout = create(kRootInode, "f").entry.layout;
  const InodeId inode = layout.inode;
  const std::int64_t written = now_ + 1;
  ops::SetAttrParams p;
  p.mask = 16;
  p.mtimeNs = 42;
  write([inode, p, o = occasion()](SqlTx& tx) { return ops::setAttr(tx, inode, p, o); });
  ops::FileReport file;
  file.inode = inode;
  file.epoch = 1;
  file.size = 10;
  file.mtimeNs = written;
  file.state = FileState::closed;
  report(layout.replicas[0].storage, file);
  EXPECT_EQ(attr(inode).mtimeNs, 42);
  EXPECT_EQ(attr(inode).size, 10u);
  file.size = 20;
  file.mtimeNs = now_ + 1'000'000;
  report(layout.replicas[0].storage, file);
  EXPECT_EQ(attr(inode).mtimeNs, file.mtimeNs);
}

TEST_P(ReplicasTest, opening_again_makes_the_file_open_and_its_closing_a_data_change) {
  const Layout layout = create(kRootInode, "f").entry.layout;
  const InodeId inode = layout.inode;
  ops::FileReport file;
  file.inode = inode;
  file.epoch = 1;
  file.size = 10;
  file.mtimeNs = now_;
  file.state = FileState::closed;
  EXPECT_FALSE(report(layout.replicas[0].storage, file).at(0).data);
  const auto opened = write([inode, o = occasion()](SqlTx& tx) { return ops::openForWrite(tx, inode, 5, o); });
  // Told again: the primary may have told a reader of a closing that it had not reported yet.
  const auto again = write([inode, o = occasion()](SqlTx& tx) { return ops::openForWrite(tx, inode, 5, o); });
  EXPECT_EQ(again.changes.size(), 1u);
  EXPECT_EQ(opened.entry.attr.state, FileState::open);
  EXPECT_EQ(attr(inode).state, FileState::open);
  EXPECT_TRUE(report(layout.replicas[0].storage, file).at(0).data);
}

TEST_P(ReplicasTest, the_trash_keeps_data_until_its_time_has_come_and_nobody_pins_it) {
  const Layout layout = create(kRootInode, "f").entry.layout;
  const InodeId inode = layout.inode;
  unlink(kRootInode, "f");
  const auto fence = takeLease();
  const std::int64_t due = now_ + 10'000'000'000;
  EXPECT_EQ(reclaim(fence, due - 1).inodes, 0u);
  write([inode, due](SqlTx& tx) { return ops::pin(tx, {inode}, 5, due + 1000); });
  EXPECT_EQ(reclaim(fence, due).inodes, 0u);
  EXPECT_EQ(reclaim(fence, due + 2000).inodes, 1u);
  EXPECT_EQ(codeOf([&] { attr(inode); }), Errc::notFound);
  for (const Replica& replica : layout.replicas) {
    const StorageId storage = replica.storage;
    const auto removals = read([storage](SqlTx& tx) { return ops::listRemovals(tx, storage, 0, 10); });
    ASSERT_EQ(removals.size(), 1u);
    EXPECT_EQ(removals[0].inode, inode);
    EXPECT_EQ(removals[0].upTo, std::numeric_limits<Epoch>::max());  // it will not be there again
    write([=](SqlTx& tx) { return ops::removalsDone(tx, fence, storage, {inode}); });
    EXPECT_TRUE(read([storage](SqlTx& tx) { return ops::listRemovals(tx, storage, 0, 10); }).empty());
  }
}

TEST_P(ReplicasTest, the_trash_of_a_full_server_goes_before_its_time_but_not_at_once_and_not_what_is_pinned) {
  const Layout layout = recorded("f");
  const Layout pinned = recorded("pinned");
  const StorageId full = layout.primary()->storage;
  const StorageId another = 77;
  unlink(kRootInode, "f");
  const std::int64_t soon = now_ + kMinute;
  unlink(kRootInode, "pinned");
  const auto fence = takeLease();
  const auto early = [&](StorageId storage, std::int64_t now) {
    return reclaimEarly(fence, findEarly(storage, now).inodes, now);
  };
  pin(pinned.inode, soon + 1'000'000'000);
  EXPECT_EQ(early(full, soon - 1), 0u);
  EXPECT_EQ(early(another, soon), 0u);
  EXPECT_EQ(early(full, soon), 1u);
  EXPECT_EQ(codeOf([&] { attr(layout.inode); }), Errc::notFound);
  EXPECT_EQ(early(pinned.primary()->storage, soon + 1000), 0u);
  EXPECT_EQ(attr(pinned.inode).nlink, 0u);
}

// Its recorder may be somewhere from where no tracker can be reached.
TEST_P(ReplicasTest, what_is_being_recorded_stays_on_a_full_server_without_a_pin_too) {
  const Layout layout = create(kRootInode, "f").entry.layout;
  const StorageId full = layout.primary()->storage;
  unlink(kRootInode, "f");
  const std::int64_t soon = now_ + 2 * kMinute;
  EXPECT_TRUE(findEarly(full, soon).inodes.empty());
  seal(layout);
  EXPECT_EQ(findEarly(full, soon).inodes, std::vector<InodeId>{layout.inode});
}

TEST_P(ReplicasTest, what_was_opened_for_writing_since_it_was_found_in_the_trash_stays) {
  const Layout layout = recorded("f");
  const InodeId inode = layout.inode;
  unlink(kRootInode, "f");
  const std::int64_t soon = now_ + 2 * kMinute;
  const auto fence = takeLease();
  const auto found = findEarly(layout.primary()->storage, soon);
  ASSERT_EQ(found.inodes, std::vector<InodeId>{inode});
  write([inode, o = occasion()](SqlTx& tx) { return ops::openForWrite(tx, inode, 5, o); });
  EXPECT_EQ(reclaimEarly(fence, found.inodes, soon), 0u);
  EXPECT_EQ(attr(inode).state, FileState::open);
}

TEST_P(ReplicasTest, what_was_pinned_since_it_was_found_in_the_trash_stays) {
  constexpr std::size_t kFiles = 35;  // more than one statement asks for
  std::vector<InodeId> inodes;
  StorageId full = 0;
  for (std::size_t i = 0; i < kFiles; ++i) {
    const std::string name = "f" + std::to_string(i);
    const Layout layout = recorded(name);
    full = layout.primary()->storage;
    inodes.push_back(layout.inode);
    unlink(kRootInode, name);
  }
  const std::int64_t soon = now_ + kMinute;
  const auto fence = takeLease();
  pin(inodes[2], soon + 1'000'000'000);
  pin(inodes[33], soon + 1'000'000'000);
  EXPECT_EQ(reclaimEarly(fence, inodes, soon), kFiles - 2);
  EXPECT_EQ(attr(inodes[2]).nlink, 0u);
  EXPECT_EQ(attr(inodes[33]).nlink, 0u);
  EXPECT_EQ(number(Statement{"SELECT COUNT(*) FROM trash"}), 2);
  EXPECT_TRUE(findEarly(full, soon).inodes.empty());
}

TEST_P(ReplicasTest, the_trash_is_searched_in_parts_and_to_where_it_is_too_young) {
  const auto remove = [&](int first, int last, bool pinned) {
    StorageId storage = 0;
    for (int i = first; i < last; ++i) {
      const std::string name = "f" + std::to_string(i);
      const Layout layout = recorded(name);
      storage = layout.primary()->storage;
      unlink(kRootInode, name);
      if (pinned) pin(layout.inode, now_ + 10 * kMinute);
    }
    return storage;
  };
  remove(0, 12, true);
  const StorageId full = remove(12, 13, false);
  const std::int64_t soon = now_ + kMinute;
  remove(13, 40, true);
  // A part has ten times as many as may be found.
  const auto first = findEarly(full, soon, {}, 1);
  EXPECT_TRUE(first.inodes.empty());
  EXPECT_TRUE(first.more);
  EXPECT_EQ(findEarly(full, soon, {}, 20).inodes.size(), 1u);
  const auto second = findEarly(full, soon, first.last, 2);
  EXPECT_EQ(second.inodes.size(), 1u);
  EXPECT_FALSE(second.more) << "its last one is too young already";
  EXPECT_FALSE(findEarly(full, soon, second.last, 1).more) << "its first one is";
  EXPECT_TRUE(findEarly(full, soon + kMinute, second.last, 1).more);
}

TEST_P(ReplicasTest, a_coordinator_that_was_replaced_changes_nothing) {
  const auto fence = takeLease();
  const std::int64_t later = now_ + 60'000'000'000;
  const auto claims = [this, later](SeenLease seen) {
    return write([=](SqlTx& tx) { return ops::renewLease(tx, "t2", "", seen, later, LeaseRules()); });
  };
  const Lease present = claims({});  // its clock says that the lease is over
  ASSERT_EQ(present.holder, "t1");
  EXPECT_NO_THROW(reclaim(fence, now_));
  ASSERT_EQ(claims({present, std::chrono::seconds(5)}).holder, "t2");
  EXPECT_EQ(codeOf([&] { reclaim(fence, later); }), Errc::notPrimary);
  EXPECT_EQ(codeOf([&] { write([=](SqlTx& tx) { return ops::removalsDone(tx, fence, 1, {5}); }); }), Errc::notPrimary);
}

// Which a successor's at another node of the database does, too: one of the two is repeated. SQLite has one writer.
TEST_P(ReplicasTest, a_change_of_the_coordinator_writes_its_lease_where_others_write_too) {
  // SQLite keeps strings as bytes, which are not equal to any text.
  const auto relied = [this] {
    return number(Statement{"SELECT relied_on FROM leases WHERE CAST(role AS CHAR) = 'coordinator'"});
  };
  create(kRootInode, "f");
  unlink(kRootInode, "f");
  const auto fence = takeLease();
  EXPECT_EQ(reclaim(fence, now_).inodes, 0u);
  EXPECT_EQ(relied(), 0);  // there was nothing to do
  EXPECT_EQ(reclaim(fence, now_ + 60'000'000'000).inodes, 1u);
  EXPECT_EQ(relied(), catalog_->shared() ? 1 : 0);
}

TEST_P(ReplicasTest, a_file_left_open_is_sealed_unless_it_was_opened_again) {
  const Layout layout = create(kRootInode, "f").entry.layout;
  const auto fence = takeLease();
  const std::int64_t now = now_ + 1;
  auto files = read([now](SqlTx& tx) { return ops::listOpenFiles(tx, now, 0, 10); });
  ASSERT_EQ(files.size(), 1u);
  ops::Seal seal;
  seal.inode = layout.inode;
  seal.epoch = 1;
  seal.openedAtNs = files[0].openedAtNs;
  const InodeId inode = layout.inode;
  write([inode, o = occasion()](SqlTx& tx) { return ops::openForWrite(tx, inode, 5, o); });
  EXPECT_TRUE(write([fence, seal, now](SqlTx& tx) { return ops::sealFile(tx, fence, seal, now); }).empty());
  const std::int64_t then = now_ + 1;
  files = read([then](SqlTx& tx) { return ops::listOpenFiles(tx, then, 0, 10); });
  seal.openedAtNs = files.at(0).openedAtNs;
  EXPECT_EQ(write([fence, seal, now](SqlTx& tx) { return ops::sealFile(tx, fence, seal, now); }).size(), 1u);
  EXPECT_EQ(attr(inode).state, FileState::recovered);
}

TEST_P(ReplicasTest, a_degraded_file_is_completed_when_a_server_is_there) {
  servers({2, 3});
  const Layout lonely = create(kRootInode, "f").entry.layout;
  ASSERT_EQ(lonely.replicas.size(), 1u);
  const auto fence = takeLease();
  servers();
  const ops::InodePage lacking = listLacking(0, 10);
  ASSERT_EQ(lacking.inodes, std::vector<InodeId>{lonely.inode});
  const auto page = write(
      [fence, inodes = lacking.inodes, o = occasion()](SqlTx& tx) { return ops::completeFiles(tx, fence, inodes, o); });
  ASSERT_EQ(page.layouts.size(), 1u);
  EXPECT_TRUE(page.layouts[0].changed);
  EXPECT_EQ(page.layouts[0].layout.replicas.size(), 2u);
  EXPECT_EQ(page.layouts[0].layout.replicas[1].state, ReplicaState::syncing);
}

TEST_P(ReplicasTest, files_that_lack_replicas_are_looked_through_in_parts) {
  servers({2, 3});
  std::vector<InodeId> inodes;
  for (int i = 0; i < 7; ++i) inodes.push_back(create(kRootInode, "f" + std::to_string(i)).entry.attr.inode);
  // For these there is no place by now, and for the rest there is.
  write([](SqlTx& tx) { return changed(tx, Statement{"UPDATE inodes SET group_name = 'g2' WHERE inode < 1029"}); });
  ASSERT_LT(inodes[4], 1029u);
  ASSERT_GE(inodes[5], 1029u);
  servers();
  const ops::InodePage first = listLacking(0, 2);
  EXPECT_TRUE(first.inodes.empty()) << "twice as many were looked at as may be found";
  EXPECT_EQ(first.last, inodes[3]);
  EXPECT_TRUE(first.more);
  const ops::InodePage second = listLacking(first.last, 1);
  EXPECT_EQ(second.inodes, std::vector<InodeId>{inodes[5]});
  EXPECT_EQ(second.last, inodes[5]);
  EXPECT_TRUE(second.more);
  const ops::InodePage third = listLacking(second.last, 1);
  EXPECT_EQ(third.inodes, std::vector<InodeId>{inodes[6]});
  EXPECT_FALSE(third.more);
}

TEST_P(ReplicasTest, old_requests_are_forgotten) {
  ops::CreateParams p;
  p.parent = kRootInode;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    p.name = "f" + std::to_string(i);
    auto o = occasion();
    o.request = ops::Request{i % 2 == 0 ? ~std::uint64_t{0} : 3, i};
    write([p, o](SqlTx& tx) { return ops::create(tx, p, o); });
  }
  const auto fence = takeLease();
  const std::int64_t cut = now_ - 5000;
  const ops::Forgotten forgotten = forget(fence, ops::Forgotten().last, cut);
  EXPECT_EQ(forgotten.requests, 14u);
  EXPECT_FALSE(forgotten.more);
  EXPECT_FALSE(read([](SqlTx& tx) { return ops::findRequest(tx, ops::Request{3, 1}, ops::RequestOp::create); }));
  EXPECT_TRUE(read([](SqlTx& tx) {
    return ops::findRequest(tx, ops::Request{~std::uint64_t{0}, 20}, ops::RequestOp::create);
  }));
}

// More than one transaction looks at, all of them alive; then one whose requests are many.
TEST_P(ReplicasTest, old_requests_of_many_clients_are_all_forgotten) {
  constexpr std::uint64_t kClients = 450;
  constexpr std::uint64_t kOfOne = 5000;
  std::vector<ops::Request> requests;
  for (std::uint64_t client = 1; client <= kClients; ++client) requests.push_back({client, 1});
  for (std::uint64_t sequence = 2; sequence <= kOfOne; ++sequence) requests.push_back({kClients / 2, sequence});
  const std::int64_t now = now_;
  write([requests, now](SqlTx& tx) { return recorded(tx, requests, now); });
  const auto fence = takeLease();
  ops::Forgotten part;
  std::uint64_t all = 0;
  int parts = 0;
  for (part.more = true; part.more && parts < 100; ++parts) {
    part = forget(fence, part.last, now + 1);
    EXPECT_LE(part.requests, 3000u) << "others wait for it";
    all += part.requests;
  }
  EXPECT_EQ(all, requests.size());
  EXPECT_EQ(number(Statement{"SELECT COUNT(*) FROM requests"}), 0);
  EXPECT_GT(parts, 3);
}

TEST_P(ReplicasTest, a_storage_server_keeps_its_id_when_it_moves) {
  ops::StorageRow row;
  row.name = "s1";
  row.group = "g9";
  row.zone = "z";
  row.address = "a:1";
  row.dataDirectory = "/d";
  const StorageId first = write([row](SqlTx& tx) { return ops::registerStorage(tx, row, 3, ops::Disk()); });
  row.address = "b:2";
  EXPECT_EQ(write([row](SqlTx& tx) { return ops::registerStorage(tx, row, 3, ops::Disk()); }), first);
  row.name = "s2";
  EXPECT_NE(write([row](SqlTx& tx) { return ops::registerStorage(tx, row, 3, ops::Disk()); }), first);
  const auto all = read([](SqlTx& tx) { return ops::listStorages(tx); });
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].address, "b:2");
  const auto groups = read([](SqlTx& tx) { return ops::listGroups(tx); });
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].copies, 3u);
}

TEST_P(ReplicasTest, a_storage_server_with_files_stays_in_its_group) {
  ops::StorageRow row;
  row.name = "s1";
  row.group = "g1";
  row.zone = "z";
  row.address = "a:1";
  row.dataDirectory = "/d";
  const auto registers = [&](const std::string& group) {
    row.group = group;
    return codeOf([&] { write([row](SqlTx& tx) { return ops::registerStorage(tx, row, 2, ops::Disk()); }); });
  };
  EXPECT_EQ(registers("g1"), Errc::ok);
  EXPECT_EQ(registers("g2"), Errc::ok) << "nothing is on it";
  EXPECT_EQ(registers("g1"), Errc::ok);
  create(kRootInode, "f");
  write([](SqlTx& tx) { return changed(tx, Statement{"UPDATE replicas SET storage = storage + 10"}); });
  write([](SqlTx& tx) { return changed(tx, Statement{"UPDATE replicas SET storage = 1 WHERE position = 0"}); });
  EXPECT_EQ(registers("g2"), Errc::invalid);
  EXPECT_EQ(registers("g1"), Errc::ok);
  write([](SqlTx& tx) { return changed(tx, Statement{"UPDATE replicas SET state = 2 WHERE storage = 1"}); });
  EXPECT_EQ(registers("g2"), Errc::invalid) << "what is behind counts, too";
  write([](SqlTx& tx) { return changed(tx, Statement{"UPDATE storages SET group_name = 'g2'"}); });
  EXPECT_EQ(registers("g1"), Errc::ok) << "it has been moved before that was refused, and goes back";
}

TEST_P(ReplicasTest, ids_of_the_catalog_never_repeat) {
  const auto first = write([](SqlTx& tx) { return ops::leaseIds(tx, 100); });
  const auto second = write([](SqlTx& tx) { return ops::leaseIds(tx, 100); });
  EXPECT_EQ(second, first + 100);
}

}  // namespace vcfs::tracker::test
