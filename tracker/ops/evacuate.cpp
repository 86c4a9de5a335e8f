#include "tracker/ops/operations.h"

// Storage servers that are emptied, given up or removed: their replicas are made elsewhere and dropped there.
namespace vcfs::tracker::ops {

namespace {

// Two statements, because each is served by an index of its own.
constexpr Statement kInSync{
    "SELECT inode FROM replicas WHERE storage = ? AND state = 0 AND inode > ? ORDER BY inode LIMIT ?"};
constexpr Statement kBehind{
    "SELECT inode FROM replicas WHERE storage = ? AND state > 0 AND inode > ? ORDER BY inode LIMIT ?"};
constexpr Statement kSyncing{
    "SELECT COUNT(*) FROM (SELECT 1 FROM replicas WHERE storage = ? AND state > 0 AND state = 1 LIMIT ?) some"};
constexpr Statement kPinned{"SELECT 1 FROM pins WHERE inode = ? AND expires >= ? LIMIT 1"};

// Of a nameless file that nobody has open one copy is enough until it is reclaimed.
Task<FileNeeds> needsNow(SqlTx& tx, const InodeRow& row, const Occasion& occasion) {
  FileNeeds needs = co_await needsOf(tx, row, *occasion.view);
  if (row.attr.nlink > 0) co_return needs;
  const Rows pinned = co_await tx.exec(kPinned, row.attr.inode, occasion.now);
  if (pinned.empty()) needs.copies = 1;
  co_return needs;
}

Task<LayoutChange> evacuateOne(SqlTx& tx, const Evacuee& from, InodeId inode, const Occasion& occasion) {
  LayoutChange change;
  auto row = co_await findInode(tx, inode, Lock::rows);
  if (!row || !row->isFile()) co_return change;
  const FileNeeds needs = co_await needsNow(tx, *row, occasion);
  std::optional<ReplicaSet> next;
  if (from.gone) {
    next = replaceReplica(row->replicas, from.storage, *occasion.view, needs);
  } else if (primaryOf(row->replicas) != nullptr) {
    next = vacateReplica(row->replicas, from.storage, row->sealed(), *occasion.view, needs, change.dropped);
    const bool leads = primaryOf(row->replicas)->storage == from.storage;
    change.mayHandOver = !next && leads && !row->sealed() && mayHandOver(row->replicas, *occasion.view, needs);
  }
  if (next) {
    addRemovals(tx, inode, change.dropped);
    row = co_await storeReplicas(tx, std::move(*row), std::move(*next), occasion.now);
    change.changed = true;
  }
  change.layout = row->layout();
  co_return change;
}

}  // namespace

Task<LayoutPage> evacuate(SqlTx& tx, Fence fence, Evacuee from, InodeId after, std::uint32_t limit, Occasion occasion) {
  co_await checkFence(tx, fence);
  const Statement& statement = from.behind ? kBehind : kInSync;
  const Rows rows = co_await tx.exec(statement, from.storage, after, limit + 1);
  if (!rows.empty()) relyOnFence(tx);
  LayoutPage page;
  page.more = rows.size() > limit;
  for (std::size_t i = 0; i < std::min<std::size_t>(rows.size(), limit); ++i) {
    page.last = static_cast<InodeId>(rows.integer(i, 0));
    LayoutChange change = co_await evacuateOne(tx, from, page.last, occasion);
    page.layouts.push_back(std::move(change));
  }
  co_return page;
}

Task<LayoutChange> handOver(SqlTx& tx, Fence fence, InodeId inode, Epoch epoch, std::vector<StorageId> equal,
                            Occasion occasion) {
  co_await checkFence(tx, fence);
  LayoutChange change;
  auto row = co_await findInode(tx, inode, Lock::rows);
  if (!row || !row->isFile()) co_return change;
  if (row->attr.epoch == epoch && primaryOf(row->replicas) != nullptr) {
    relyOnFence(tx);
    const FileNeeds needs = co_await needsNow(tx, *row, occasion);
    ReplicaSet next = tracker::handOver(row->replicas, equal, *occasion.view, needs, change.dropped);
    addRemovals(tx, inode, change.dropped);
    row = co_await storeReplicas(tx, std::move(*row), std::move(next), occasion.now);
    change.changed = true;
  }
  change.layout = row->layout();
  co_return change;
}

Task<std::uint64_t> countSyncing(SqlTx& tx, StorageId storage, std::uint32_t limit) {
  const Rows rows = co_await tx.exec(kSyncing, storage, limit);
  co_return static_cast<std::uint64_t>(rows.integer(0, 0));
}

Task<LayoutPage> dropBehind(SqlTx& tx, StorageId storage, std::uint32_t limit, Occasion occasion) {
  const Rows rows = co_await tx.exec(kBehind, storage, 0, limit + 1);
  LayoutPage page;
  page.more = rows.size() > limit;
  for (std::size_t i = 0; i < std::min<std::size_t>(rows.size(), limit); ++i) {
    page.last = static_cast<InodeId>(rows.integer(i, 0));
    auto row = co_await findInode(tx, page.last, Lock::rows);
    if (!row) continue;
    ReplicaSet next = row->replicas;
    std::erase_if(next, [&](const Replica& replica) { return replica.storage == storage; });
    row = co_await storeReplicas(tx, std::move(*row), std::move(next), occasion.now);
    LayoutChange change;
    change.changed = true;
    change.layout = row->layout();
    page.layouts.push_back(std::move(change));
  }
  co_return page;
}

}  // namespace vcfs::tracker::ops
