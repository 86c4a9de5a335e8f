#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kDue{
    "SELECT t.inode FROM trash t WHERE t.due <= ? AND NOT EXISTS"
    " (SELECT 1 FROM pins p WHERE p.inode = t.inode AND p.expires >= ?) ORDER BY t.due, t.inode LIMIT ?"};
constexpr Statement kMoveReplicas{"SELECT storage FROM replicas WHERE inode = ?"};
constexpr Statement kDeleteReplicas{"DELETE FROM replicas WHERE inode = ?"};
constexpr Statement kDeleteXattrs{"DELETE FROM xattrs WHERE inode = ?"};
constexpr Statement kDeleteLocks{"DELETE FROM file_locks WHERE inode = ?"};
constexpr Statement kDeletePins{"DELETE FROM pins WHERE inode = ?"};
constexpr Statement kDeleteInode{"DELETE FROM inodes WHERE inode = ? AND nlink = 0"};
constexpr Statement kDeleteTrash{"DELETE FROM trash WHERE inode = ?"};
constexpr Statement kPin{"REPLACE INTO pins (inode, client, expires) VALUES (?, ?, ?)"};
constexpr Statement kRemovals{
    "SELECT r.inode, i.epoch FROM removals r LEFT JOIN inodes i ON i.inode = r.inode WHERE r.storage = ?"
    " ORDER BY r.inode LIMIT ?"};
constexpr Statement kRemovalDone{"DELETE FROM removals WHERE storage = ? AND inode = ?"};

Task<void> reclaimOne(SqlTx& tx, InodeId inode) {
  const Rows storages = co_await tx.exec(kMoveReplicas, inode);
  std::vector<StorageId> holders;
  for (std::size_t i = 0; i < storages.size(); ++i) holders.push_back(static_cast<StorageId>(storages.integer(i, 0)));
  addRemovals(tx, inode, holders);
  co_await tx.exec(kDeleteReplicas, inode);
  co_await tx.exec(kDeleteXattrs, inode);
  co_await tx.exec(kDeleteLocks, inode);
  co_await tx.exec(kDeletePins, inode);
  co_await tx.exec(kDeleteInode, inode);
  co_await tx.exec(kDeleteTrash, inode);
}

}  // namespace

Task<Reclaimed> reclaimTrash(SqlTx& tx, Fence fence, std::int64_t now, std::uint32_t limit) {
  co_await checkFence(tx, fence);
  const Rows due = co_await tx.exec(kDue, now, now, limit);
  if (!due.empty()) relyOnFence(tx);
  Reclaimed reclaimed;
  for (std::size_t i = 0; i < due.size(); ++i) co_await reclaimOne(tx, static_cast<InodeId>(due.integer(i, 0)));
  reclaimed.inodes = static_cast<std::uint32_t>(due.size());
  reclaimed.more = due.size() == limit;
  co_return reclaimed;
}

Task<std::vector<Removal>> listRemovals(SqlTx& tx, StorageId storage, std::uint32_t limit) {
  const Rows rows = co_await tx.exec(kRemovals, storage, limit);
  std::vector<Removal> removals;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Removal removal;
    removal.inode = static_cast<InodeId>(rows.integer(i, 0));
    const auto epoch = static_cast<Epoch>(rows.integer(i, 1));
    if (epoch != 0) removal.upTo = epoch;
    removals.push_back(removal);
  }
  co_return removals;
}

Task<bool> removalsDone(SqlTx& tx, Fence fence, StorageId storage, std::vector<InodeId> inodes) {
  co_await checkFence(tx, fence);
  if (!inodes.empty()) relyOnFence(tx);
  for (InodeId inode : inodes) co_await tx.exec(kRemovalDone, storage, inode);
  co_return true;
}

Task<bool> pin(SqlTx& tx, std::vector<InodeId> inodes, ClientId client, std::int64_t expires) {
  for (InodeId inode : inodes) co_await tx.exec(kPin, inode, client, expires);
  co_return true;
}

}  // namespace vcfs::tracker::ops
