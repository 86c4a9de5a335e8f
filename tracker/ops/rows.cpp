#include "tracker/ops/rows.h"

#include <charconv>

#include "common/base/error.h"
#include "common/base/log.h"
#include "vcfs/file_capability.h"
#include "vcfs/set_times.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kFindInode{"SELECT " VCFS_JOINED_COLUMNS " FROM inodes i" VCFS_JOIN_REPLICAS "WHERE i.inode = ?"};
constexpr Statement kLockInode{"SELECT " VCFS_JOINED_COLUMNS " FROM inodes i" VCFS_JOIN_REPLICAS
                               "WHERE i.inode = ? /*lock*/"};
constexpr Statement kFindChild{"SELECT " VCFS_JOINED_COLUMNS
                               " FROM dentries d JOIN inodes i ON i.inode = d.inode" VCFS_JOIN_REPLICAS
                               "WHERE d.parent = ? AND d.name = ?"};
constexpr Statement kLockChild{"SELECT " VCFS_JOINED_COLUMNS
                               " FROM dentries d JOIN inodes i ON i.inode = d.inode" VCFS_JOIN_REPLICAS
                               "WHERE d.parent = ? AND d.name = ? /*lock*/"};
constexpr Statement kLockDirectory{
    "SELECT type, mode, nlink, gid, flags, parent, path FROM inodes WHERE inode = ? /*lock*/"};
constexpr Statement kFindDentry{"SELECT inode FROM dentries WHERE parent = ? AND name = ?"};
constexpr Statement kUp{"SELECT parent, path FROM inodes WHERE inode = ?"};
constexpr Statement kHasEntries{"SELECT 1 FROM dentries WHERE parent = ? LIMIT 1"};
constexpr Statement kAncestors{
    "WITH RECURSIVE up(inode, parent, name, depth) AS ("
    " SELECT inode, parent, path, 0 FROM inodes WHERE inode = ?"
    " UNION ALL SELECT i.inode, i.parent, i.path, up.depth + 1 FROM up JOIN inodes i ON i.inode = up.parent"
    " WHERE up.inode <> 1 AND up.depth < 4096)"
    " SELECT inode, name FROM up WHERE inode <> 1 ORDER BY depth"};
constexpr Statement kInsertInode{
    "INSERT INTO inodes (inode, type, mode, nlink, uid, gid, size, blocks, atime, mtime, ctime, rdev, state, epoch,"
    " change_id, tenant, path, target, parent, group_name, copies, missing, opener, opened_at, mtime_fixed, flags)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)"};
constexpr Statement kInsertReplica{"INSERT INTO replicas (inode, position, storage, state) VALUES (?, ?, ?, ?)"};
constexpr Statement kInsertTwoReplicas{
    "INSERT INTO replicas (inode, position, storage, state) VALUES (?, ?, ?, ?), (?, ?, ?, ?)"};
constexpr Statement kDeleteReplicas{"DELETE FROM replicas WHERE inode = ?"};
constexpr Statement kInsertDentry{"INSERT INTO dentries (parent, name, inode, type, cookie) VALUES (?, ?, ?, ?, ?)"};
constexpr Statement kDeleteDentry{"DELETE FROM dentries WHERE parent = ? AND name = ?"};
constexpr Statement kTouchDirectory{
    "UPDATE inodes SET mtime = ?, ctime = ?, nlink = nlink + ?, change_id = change_id + 1 WHERE inode = ?"};
constexpr Statement kTouchCtime{"UPDATE inodes SET ctime = ?, change_id = change_id + 1 WHERE inode = ?"};
constexpr Statement kSetLinks{
    "UPDATE inodes SET nlink = ?, ctime = ?, change_id = change_id + 1, missing = CASE WHEN ? = 0 THEN 0 ELSE missing "
    "END WHERE inode = ?"};
constexpr Statement kTrash{"REPLACE INTO trash (inode, due) VALUES (?, ?)"};
constexpr Statement kRaiseEpoch{
    "UPDATE inodes SET epoch = ?, missing = ?, change_id = change_id + 1 WHERE inode = ? AND epoch = ?"};
constexpr Statement kAddRemoval{"REPLACE INTO removals (storage, inode) VALUES (?, ?)"};

constexpr int kPlainSteps = 3;  // upwards from a directory

// A client that is told "unlinked" needs this long to pin what it has open.
constexpr std::int64_t kLeastRetentionNs = 2'000'000'000;
// Objects without data on storage servers need no retention, only time for pins.
constexpr std::int64_t kNamelessNs = 60'000'000'000;

std::uint64_t unsignedAt(const Rows& rows, std::size_t row, std::size_t column) {
  return static_cast<std::uint64_t>(rows.integer(row, column));
}
std::uint32_t smallAt(const Rows& rows, std::size_t row, std::size_t column) {
  return static_cast<std::uint32_t>(rows.integer(row, column));
}

// "n,n,…", each position * 2^37 + storage * 4 + state, in any order.
ReplicaSet parseReplicas(const std::string& text) {
  std::vector<std::uint64_t> codes;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    std::uint64_t code = 0;
    const auto [next, error] = std::from_chars(at, end, code);
    if (error != std::errc()) throw Error(Errc::corrupted, "the catalog's replicas of a file cannot be read: " + text);
    codes.push_back(code);
    at = next + 1;
  }
  std::sort(codes.begin(), codes.end());
  ReplicaSet replicas;
  for (std::uint64_t code : codes) {
    Replica replica;
    replica.storage = static_cast<StorageId>((code >> 2) & 0x7fffffff);
    replica.state = static_cast<ReplicaState>(code & 3);
    replicas.push_back(std::move(replica));
  }
  return replicas;
}

// Of a lost file there is nothing to copy.
std::uint32_t missingOf(const InodeRow& row) {
  if (row.replicas.empty()) return 0;
  const std::uint32_t inSync = countInSync(row.replicas);
  return row.copies > inSync ? row.copies - inSync : 0;
}

void insertReplicas(SqlTx& tx, InodeId inode, const ReplicaSet& replicas) {
  if (replicas.size() == 2) {  // nearly always
    const Replica& a = replicas[0];
    const Replica& b = replicas[1];
    tx.later(kInsertTwoReplicas, inode, 0, a.storage, a.state, inode, 1, b.storage, b.state);
    return;
  }
  int position = 0;
  for (const Replica& replica : replicas) tx.later(kInsertReplica, inode, position++, replica.storage, replica.state);
}

}  // namespace

std::uint8_t InodeRow::acls() const {
  const bool mtimeSet = mtimeFixedNs != 0 && attr.mtimeNs <= mtimeFixedNs;
  return static_cast<std::uint8_t>((mtimeSet ? kMtimeSet : 0) | ((flags & kFlagAccessAcl) != 0 ? kHasAccessAcl : 0) |
                                   ((flags & kFlagDefaultAcl) != 0 ? kHasDefaultAcl : 0) |
                                   ((flags & kFlagCapability) != 0 ? kHasCapability : 0) |
                                   ((flags & kFlagXattrs) == 0 ? kNoXattrs : 0));
}

Entry InodeRow::entry() const {
  Entry entry;
  entry.attr = attr;
  entry.attr.acl = acls();
  if (isFile()) entry.layout = layout();
  return entry;
}

Layout InodeRow::layout() const {
  Layout layout;
  layout.inode = attr.inode;
  layout.epoch = attr.epoch;
  layout.replicas = replicas;
  layout.user = tenant;
  layout.name = path;
  return layout;
}

namespace {

InodeRow ownColumns(const Rows& rows, std::size_t row, std::size_t c) {
  InodeRow result;
  Attr& attr = result.attr;
  attr.inode = unsignedAt(rows, row, c);
  attr.type = static_cast<FileType>(rows.integer(row, c + 1));
  attr.mode = smallAt(rows, row, c + 2);
  attr.nlink = smallAt(rows, row, c + 3);
  attr.uid = smallAt(rows, row, c + 4);
  attr.gid = smallAt(rows, row, c + 5);
  attr.size = unsignedAt(rows, row, c + 6);
  attr.blocks = unsignedAt(rows, row, c + 7);
  attr.atimeNs = rows.integer(row, c + 8);
  attr.mtimeNs = rows.integer(row, c + 9);
  attr.ctimeNs = rows.integer(row, c + 10);
  attr.rdev = unsignedAt(rows, row, c + 11);
  attr.state = static_cast<FileState>(rows.integer(row, c + 12));
  attr.epoch = unsignedAt(rows, row, c + 13);
  attr.changeId = unsignedAt(rows, row, c + 14);
  result.tenant = rows.text(row, c + 15);
  result.path = rows.text(row, c + 16);
  result.parent = unsignedAt(rows, row, c + 17);
  result.group = rows.text(row, c + 18);
  result.copies = smallAt(rows, row, c + 19);
  result.flags = smallAt(rows, row, c + 20);
  result.mtimeFixedNs = rows.integer(row, c + 21);
  return result;
}

}  // namespace

InodeRow toInodeRow(const Rows& rows, std::size_t row, std::size_t c) {
  InodeRow result = ownColumns(rows, row, c);
  if (result.isFile()) result.replicas = parseReplicas(rows.text(row, c + kInodeColumns - 1));
  return result;
}

InodeRow toJoinedRow(const Rows& rows, std::size_t c) {
  InodeRow result = ownColumns(rows, 0, c);
  if (!result.isFile()) return result;
  const std::size_t position = c + kInodeColumns - 1;
  std::vector<std::pair<std::int64_t, Replica>> found;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (std::holds_alternative<std::monostate>(rows.at(i, position))) continue;
    Replica replica;
    replica.storage = static_cast<StorageId>(rows.integer(i, position + 1));
    replica.state = static_cast<ReplicaState>(rows.integer(i, position + 2));
    found.emplace_back(rows.integer(i, position), std::move(replica));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [at, replica] : found) result.replicas.push_back(std::move(replica));
  return result;
}

Query inodeQuery(InodeId inode, Lock lock) { return query(lock == Lock::rows ? kLockInode : kFindInode, inode); }

Query childQuery(InodeId parent, const std::string& name, Lock lock) {
  return query(lock == Lock::rows ? kLockChild : kFindChild, parent, name);
}

std::optional<InodeRow> inodeOf(const Rows& rows) {
  if (rows.empty()) return std::nullopt;
  return toJoinedRow(rows);
}

Query lockDirectoryQuery(InodeId inode) { return query(kLockDirectory, inode); }

DirectoryRow directoryOf(const Rows& rows, InodeId inode) {
  if (rows.empty()) throw Error(Errc::notFound, "no inode " + log::hex(inode));
  if (static_cast<FileType>(rows.integer(0, 0)) != FileType::directory)
    throw Error(Errc::notDirectory, "inode " + log::hex(inode) + " is not a directory");
  DirectoryRow row;
  row.inode = inode;
  row.mode = smallAt(rows, 0, 1);
  row.nlink = smallAt(rows, 0, 2);
  row.gid = smallAt(rows, 0, 3);
  row.flags = smallAt(rows, 0, 4);
  row.parent = unsignedAt(rows, 0, 5);
  row.name = rows.text(0, 6);
  if (row.nlink == 0) throw Error(Errc::notFound, "the directory " + log::hex(inode) + " was removed");
  return row;
}

Query dentryQuery(InodeId parent, const std::string& name) { return query(kFindDentry, parent, name); }

Task<std::optional<InodeRow>> findInode(SqlTx& tx, InodeId inode, Lock lock) {
  const Rows rows = co_await tx.exec(lock == Lock::rows ? kLockInode : kFindInode, inode);
  co_return inodeOf(rows);
}

Task<InodeRow> getInode(SqlTx& tx, InodeId inode, Lock lock) {
  auto found = co_await findInode(tx, inode, lock);
  if (!found) throw Error(Errc::notFound, "no inode " + log::hex(inode));
  co_return std::move(*found);
}

Task<std::optional<InodeRow>> findChild(SqlTx& tx, InodeId parent, const std::string& name, Lock lock) {
  const Rows rows = co_await tx.exec(lock == Lock::rows ? kLockChild : kFindChild, parent, name);
  co_return inodeOf(rows);
}

Task<bool> hasEntries(SqlTx& tx, InodeId directory) {
  const Rows rows = co_await tx.exec(kHasEntries, directory);
  co_return !rows.empty();
}

// Most directories are near the root: a few plain look-ups are cheaper than a recursive query.
Task<std::vector<Ancestor>> ancestors(SqlTx& tx, InodeId directory) {
  std::vector<Ancestor> chain;
  for (int i = 0; i < kPlainSteps && directory != kRootInode; ++i) {
    const Rows rows = co_await tx.exec(kUp, directory);
    if (rows.empty()) co_return chain;
    chain.push_back(Ancestor{directory, rows.text(0, 1)});
    directory = unsignedAt(rows, 0, 0);
  }
  if (directory == kRootInode) co_return chain;
  const Rows rows = co_await tx.exec(kAncestors, directory);
  for (std::size_t i = 0; i < rows.size(); ++i) chain.push_back(Ancestor{unsignedAt(rows, i, 0), rows.text(i, 1)});
  co_return chain;
}

Task<std::vector<Ancestor>> chainOf(SqlTx& tx, const DirectoryRow& directory) {
  std::vector<Ancestor> chain;
  if (directory.inode == kRootInode) co_return chain;
  chain.push_back(Ancestor{directory.inode, directory.name});
  auto above = co_await ancestors(tx, directory.parent);
  chain.insert(chain.end(), std::make_move_iterator(above.begin()), std::make_move_iterator(above.end()));
  co_return chain;
}

void insertInode(SqlTx& tx, const InodeRow& row, const std::string& symlinkTarget, ClientId opener) {
  const Attr& a = row.attr;
  const std::int64_t openedAt = a.state == FileState::open ? a.ctimeNs : 0;
  tx.later(kInsertInode, a.inode, a.type, a.mode, a.nlink, a.uid, a.gid, a.size, a.atimeNs, a.mtimeNs, a.ctimeNs,
           a.rdev, a.state, a.epoch, row.tenant, row.path, symlinkTarget, row.parent, row.group, row.copies,
           missingOf(row), opener, openedAt, row.flags);
  insertReplicas(tx, a.inode, row.replicas);
}

void insertDentry(SqlTx& tx, InodeId parent, const std::string& name, const DentryRow& dentry) {
  tx.later(kInsertDentry, parent, name, dentry.inode, dentry.type, dentry.cookie);
}

void deleteDentry(SqlTx& tx, InodeId parent, const std::string& name) { tx.later(kDeleteDentry, parent, name); }

void touchDirectory(SqlTx& tx, InodeId directory, int links, std::int64_t now) {
  tx.later(kTouchDirectory, now, now, links, directory);
}

void touchCtime(SqlTx& tx, InodeId inode, std::int64_t now) { tx.later(kTouchCtime, now, inode); }

InodeRow dropLink(SqlTx& tx, InodeRow row, std::int64_t now, const TrashRules& rules) {
  row.attr.nlink = row.isDirectory() || row.attr.nlink == 0 ? 0 : row.attr.nlink - 1;
  row.attr.ctimeNs = now;
  ++row.attr.changeId;
  tx.later(kSetLinks, row.attr.nlink, now, row.attr.nlink, row.attr.inode);
  if (row.attr.nlink == 0) {
    const std::int64_t wait = row.isFile() ? std::max(rules.retentionNs, kLeastRetentionNs) : kNamelessNs;
    tx.later(kTrash, row.attr.inode, now + wait);
  }
  return row;
}

Task<InodeRow> storeReplicas(SqlTx& tx, InodeRow row, ReplicaSet next, std::int64_t now, Epoch known) {
  const Epoch old = row.attr.epoch;
  row.replicas = std::move(next);
  row.attr.epoch = std::max(old, known) + 1;
  ++row.attr.changeId;
  const std::uint32_t missing = row.attr.nlink == 0 ? 0 : missingOf(row);
  const Rows updated = co_await tx.exec(kRaiseEpoch, row.attr.epoch, missing, row.attr.inode, old);
  if (updated.changed() != 1) throw Error(Errc::staleEpoch, "the file's replicas were changed by somebody else");
  tx.later(kDeleteReplicas, row.attr.inode);
  insertReplicas(tx, row.attr.inode, row.replicas);
  co_return row;
}

void addRemovals(SqlTx& tx, InodeId inode, const std::vector<StorageId>& storages) {
  for (StorageId storage : storages) tx.later(kAddRemoval, storage, inode);
}

}  // namespace vcfs::tracker::ops
