#include <algorithm>

#include "tracker/ops/operations.h"
#include "tracker/ops/row_lists.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kDue{
    "SELECT t.inode FROM trash t WHERE t.due <= ? AND NOT EXISTS"
    " (SELECT 1 FROM pins p WHERE p.inode = t.inode AND p.expires >= ?) ORDER BY t.due, t.inode LIMIT ?"};
constexpr Statement kPin{"REPLACE INTO pins (inode, client, expires) VALUES (?, ?, ?)"};
constexpr Statement kRemovals{
    "SELECT r.inode, i.epoch FROM removals r LEFT JOIN inodes i ON i.inode = r.inode WHERE r.storage = ?"
    " ORDER BY r.inode LIMIT ?"};

// Everything of up to kRows inodes but their bytes, which are the storage servers' to remove.
Task<void> reclaimRows(SqlTx& tx, const std::vector<InodeId>& inodes, std::size_t from) {
  static const std::string statements[] = {
      // Who adds a replica locks its inode: it comes before all of this, or finds nothing.
      withList("SELECT inode FROM inodes WHERE inode IN", " /*lock*/"),
      withList("REPLACE INTO removals (storage, inode) SELECT storage, inode FROM replicas WHERE inode IN"),
      withList("DELETE FROM replicas WHERE inode IN"),
      withList("DELETE FROM xattrs WHERE inode IN"),
      withList("DELETE FROM file_locks WHERE inode IN"),
      withList("DELETE FROM pins WHERE inode IN"),
      withList("DELETE FROM inodes WHERE inode IN", " AND nlink = 0"),
      withList("DELETE FROM trash WHERE inode IN")};
  std::vector<Value> list;
  appendList(list, inodes, from);
  for (const std::string& text : statements) {
    const Statement statement{text.c_str()};
    co_await tx.execute(statement, list);
  }
}

}  // namespace

Task<Reclaimed> reclaimTrash(SqlTx& tx, Fence fence, std::int64_t now, std::uint32_t limit) {
  co_await checkFence(tx, fence);
  const Rows due = co_await tx.exec(kDue, now, now, limit);
  if (!due.empty()) relyOnFence(tx);
  Reclaimed reclaimed;
  std::vector<InodeId> inodes;
  for (std::size_t i = 0; i < due.size(); ++i) inodes.push_back(static_cast<InodeId>(due.integer(i, 0)));
  std::sort(inodes.begin(), inodes.end());
  for (std::size_t i = 0; i < inodes.size(); i += kRows) co_await reclaimRows(tx, inodes, i);
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
  static const std::string text = withList("DELETE FROM removals WHERE storage = ? AND inode IN");
  const Statement statement{text.c_str()};
  for (std::size_t i = 0; i < inodes.size(); i += kRows) {
    std::vector<Value> values;
    values.emplace_back(static_cast<std::int64_t>(storage));
    appendList(values, inodes, i);
    co_await tx.execute(statement, std::move(values));
  }
  co_return true;
}

Task<bool> pin(SqlTx& tx, std::vector<InodeId> inodes, ClientId client, std::int64_t expires) {
  for (InodeId inode : inodes) co_await tx.exec(kPin, inode, client, expires);
  co_return true;
}

}  // namespace vcfs::tracker::ops
