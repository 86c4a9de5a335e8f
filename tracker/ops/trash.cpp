#include <algorithm>

#include "tracker/ops/operations.h"
#include "tracker/ops/row_lists.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kDue{
    "SELECT t.inode FROM trash t WHERE t.due <= ? AND NOT EXISTS"
    " (SELECT 1 FROM pins p WHERE p.inode = t.inode AND p.expires >= ?) ORDER BY t.due, t.inode LIMIT ?"};
constexpr Statement kWindow{
    "SELECT due, inode FROM trash WHERE due >= ? AND (due > ? OR inode > ?) ORDER BY due, inode LIMIT ?"};
// ctime is the time of the unlink, or of a later change by who has the file open. One that is being recorded stays,
// pinned or not.
constexpr Statement kEarly{
    "SELECT t.inode FROM (SELECT due, inode FROM trash WHERE due >= ? AND (due > ? OR inode > ?) ORDER BY due, inode"
    " LIMIT ?) t JOIN inodes i ON i.inode = t.inode WHERE i.ctime <= ? AND i.state <> ? AND EXISTS"
    " (SELECT 1 FROM replicas r WHERE r.inode = t.inode AND r.storage = ?) AND NOT EXISTS"
    " (SELECT 1 FROM pins p WHERE p.inode = t.inode AND p.expires >= ?) ORDER BY t.due, t.inode LIMIT ?"};
// Of the part of the trash that kWindow told of. MariaDB reads it as it is by now, with what came and went since.
constexpr Statement kSpace{
    "SELECT t.due, t.inode, r.storage, i.blocks FROM trash t JOIN inodes i ON i.inode = t.inode"
    " JOIN replicas r ON r.inode = t.inode WHERE t.due >= ? AND t.due <= ? AND (t.due > ? OR t.inode > ?)"
    " AND (t.due < ? OR t.inode <= ?) AND i.blocks > 0 AND i.state <> ? AND NOT EXISTS"
    " (SELECT 1 FROM pins p WHERE p.inode = t.inode AND p.expires >= ?)"};
constexpr Statement kPin{"REPLACE INTO pins (inode, client, expires) VALUES (?, ?, ?)"};
constexpr Statement kRemovals{
    "SELECT r.inode, i.epoch FROM removals r LEFT JOIN inodes i ON i.inode = r.inode WHERE r.storage = ?"
    " AND r.inode > ? ORDER BY r.inode LIMIT ?"};

// What is kept though there is no room: a mount repeats its pins every 20 s, so who has a file open has had three
// occasions to say so.
constexpr std::int64_t kEarliestNs = 60'000'000'000;
constexpr std::uint64_t kBlock = 512;
constexpr std::uint32_t kEarlyWindow = 10;  // times as many are looked through at a time as may be found

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

Task<void> reclaimAll(SqlTx& tx, std::vector<InodeId> inodes) {
  if (!inodes.empty()) relyOnFence(tx);
  std::sort(inodes.begin(), inodes.end());
  for (std::size_t i = 0; i < inodes.size(); i += kRows) co_await reclaimRows(tx, inodes, i);
}

std::vector<InodeId> inodesOf(const Rows& rows) {
  std::vector<InodeId> inodes;
  for (std::size_t i = 0; i < rows.size(); ++i) inodes.push_back(static_cast<InodeId>(rows.integer(i, 0)));
  return inodes;
}

// Which of up to kRows inodes may go still. Who opens one for writing locks it: it comes before this, or finds nothing.
Task<std::vector<InodeId>> stillEarly(SqlTx& tx, const std::vector<InodeId>& inodes, std::size_t from,
                                      std::int64_t now) {
  static const std::string text = withList(
      "SELECT t.inode FROM trash t JOIN inodes i ON i.inode = t.inode WHERE i.ctime <= ? AND i.state <> ? AND NOT "
      "EXISTS (SELECT 1 FROM pins p WHERE p.inode = t.inode AND p.expires >= ?) AND t.inode IN",
      " /*lock*/");
  const Statement statement{text.c_str()};
  std::vector<Value> values;
  values.emplace_back(now - kEarliestNs);
  values.emplace_back(static_cast<std::int64_t>(FileState::open));
  values.emplace_back(now);
  appendList(values, inodes, from);
  const Rows rows = co_await tx.execute(statement, std::move(values));
  co_return inodesOf(rows);
}

}  // namespace

Task<Reclaimed> reclaimTrash(SqlTx& tx, Fence fence, std::int64_t now, std::uint32_t limit) {
  co_await checkFence(tx, fence);
  const Rows due = co_await tx.exec(kDue, now, now, limit);
  co_await reclaimAll(tx, inodesOf(due));
  co_return Reclaimed{static_cast<std::uint32_t>(due.size()), due.size() == limit};
}

Task<EarlyTrash> findEarly(SqlTx& tx, StorageId storage, TrashPlace after, std::int64_t now, TrashRules rules,
                           std::uint32_t limit) {
  const std::uint32_t size = limit * kEarlyWindow;
  const std::int64_t oldEnough = now - kEarliestNs;
  const Rows window = co_await tx.exec(kWindow, after.due, after.due, after.inode, size);
  EarlyTrash early;
  early.last = after;
  // What is due later lost its name later: behind one that is too young all are. Those that were to be kept for longer,
  // by other settings, pass for younger than they are.
  const auto tooYoung = [&](std::size_t row) { return window.integer(row, 0) - rules.retentionNs > oldEnough; };
  if (window.empty() || tooYoung(0)) co_return early;
  const Rows found = co_await tx.exec(kEarly, after.due, after.due, after.inode, size, oldEnough, FileState::open,
                                      storage, now, limit);
  early.inodes = inodesOf(found);
  early.more = true;
  if (found.size() == limit) co_return early;  // once more: what was found is gone then
  const std::size_t last = window.size() - 1;
  early.more = window.size() == size && !tooYoung(last);
  early.last.due = window.integer(last, 0);
  early.last.inode = static_cast<InodeId>(window.integer(last, 1));
  co_return early;
}

Task<Reclaimed> reclaimEarly(SqlTx& tx, Fence fence, std::vector<InodeId> inodes, std::int64_t now) {
  co_await checkFence(tx, fence);
  std::sort(inodes.begin(), inodes.end());
  std::vector<InodeId> still;
  for (std::size_t i = 0; i < inodes.size(); i += kRows) {
    const std::vector<InodeId> some = co_await stillEarly(tx, inodes, i, now);
    still.insert(still.end(), some.begin(), some.end());
  }
  const auto count = static_cast<std::uint32_t>(still.size());
  co_await reclaimAll(tx, std::move(still));
  co_return Reclaimed{count, false};
}

Task<TrashSpacePage> trashSpace(SqlTx& tx, TrashPlace after, std::int64_t now, std::uint32_t limit) {
  const Rows window = co_await tx.exec(kWindow, after.due, after.due, after.inode, limit);
  TrashSpacePage page;
  page.last = after;
  if (window.empty()) co_return page;
  const std::size_t end = window.size() - 1;
  page.last.due = window.integer(end, 0);
  page.last.inode = static_cast<InodeId>(window.integer(end, 1));
  const TrashPlace last = page.last;
  const Rows rows =
      co_await tx.exec(kSpace, after.due, last.due, after.due, after.inode, last.due, last.inode, FileState::open, now);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    TrashedReplica replica;
    replica.dueNs = rows.integer(i, 0);
    replica.inode = static_cast<InodeId>(rows.integer(i, 1));
    replica.storage = static_cast<StorageId>(rows.integer(i, 2));
    replica.bytes = static_cast<std::uint64_t>(rows.integer(i, 3)) * kBlock;
    page.replicas.push_back(replica);
  }
  page.more = window.size() == limit;
  co_return page;
}

Task<std::vector<Removal>> listRemovals(SqlTx& tx, StorageId storage, InodeId after, std::uint32_t limit) {
  const Rows rows = co_await tx.exec(kRemovals, storage, after, limit);
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
