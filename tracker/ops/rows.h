#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tracker/catalog/sql.h"
#include "tracker/core/failover.h"
#include "vcfs/types.h"

// How inodes, names and replicas stand in the catalog; what the operations share.
namespace vcfs::tracker::ops {

inline constexpr std::uint32_t kFlagReopened = 1;  // InodeRow::flags
inline constexpr std::uint32_t kFlagDefaultAcl = 2;
inline constexpr std::uint32_t kFlagAccessAcl = 4;
inline constexpr std::uint32_t kFlagCapability = 8;
inline constexpr std::uint32_t kFlagXattrs = 16;  // has, or once had, extended attributes (ACLs are among them)

// One row of `inodes` with its replicas.
struct InodeRow {
  Attr attr;
  std::string tenant;
  std::string path;    // files: path at creation; directories: their present name
  InodeId parent = 0;  // directories
  std::string group;
  std::uint32_t copies = 0;
  std::uint32_t flags = 0;
  std::int64_t mtimeFixedNs = 0;
  ReplicaSet replicas;

  bool isDirectory() const { return attr.type == FileType::directory; }
  bool isFile() const { return attr.type == FileType::regular; }
  bool sealed() const { return attr.state == FileState::closed || attr.state == FileState::recovered; }
  std::uint8_t acls() const;  // as Attr::acl
  Entry entry() const;        // addresses are left empty: the service knows them
  Layout layout() const;
};

struct DentryRow {
  InodeId inode = 0;
  FileType type = FileType::none;
  std::uint64_t cookie = 0;
};

// What an operation that changes its entries needs to know of a directory.
struct DirectoryRow {
  InodeId inode = 0;
  std::uint32_t mode = 0;
  std::uint32_t nlink = 0;
  std::uint32_t gid = 0;
  std::uint32_t flags = 0;
  InodeId parent = 0;
  std::string name;
};

// Identifies a client's request; client 0 means "not repeatable" (internal work).
struct Request {
  ClientId client = 0;
  std::uint64_t sequence = 0;
};

enum class Lock { none, rows };

// ---- reading. With Lock::rows the row stays as it is until the transaction ends.
Task<std::optional<InodeRow>> findInode(SqlTx& tx, InodeId inode, Lock lock = Lock::none);
Task<InodeRow> getInode(SqlTx& tx, InodeId inode, Lock lock = Lock::none);  // throws notFound
Task<std::optional<InodeRow>> findChild(SqlTx& tx, InodeId parent, const std::string& name, Lock lock = Lock::none);
Task<bool> hasEntries(SqlTx& tx, InodeId directory);

// The same and more as queries, and what their answers say, for SqlTx::execAll.
Query inodeQuery(InodeId inode, Lock lock);
Query childQuery(InodeId parent, const std::string& name, Lock lock);
std::optional<InodeRow> inodeOf(const Rows& rows);  // of either of these two
Query lockDirectoryQuery(InodeId inode);
// A directory that can take entries: throws notFound (also when it was removed), notDirectory.
DirectoryRow directoryOf(const Rows& rows, InodeId inode);
Query dentryQuery(InodeId parent, const std::string& name);  // any row: the name is there

// From `directory` up to the root, without the root: inode and name of each.
struct Ancestor {
  InodeId inode = 0;
  std::string name;
};
Task<std::vector<Ancestor>> ancestors(SqlTx& tx, InodeId directory);
Task<std::vector<Ancestor>> chainOf(SqlTx& tx, const DirectoryRow& directory);  // the same, from its row

// ---- writing: what returns no Task is SqlTx::later
void insertInode(SqlTx& tx, const InodeRow& row, const std::string& symlinkTarget, ClientId opener);
void insertDentry(SqlTx& tx, InodeId parent, const std::string& name, const DentryRow& dentry);
void deleteDentry(SqlTx& tx, InodeId parent, const std::string& name);
// mtime and ctime of a directory whose entries changed, and its link count by `links`.
void touchDirectory(SqlTx& tx, InodeId directory, int links, std::int64_t now);
void touchCtime(SqlTx& tx, InodeId inode, std::int64_t now);
// Takes one link away; at none the inode goes to the trash. Returns the inode as it is then.
struct TrashRules {
  std::int64_t retentionNs = 0;
};
InodeRow dropLink(SqlTx& tx, InodeRow row, std::int64_t now, const TrashRules& rules);
// Stores a new replica set if the file still has `row.attr.epoch`; raises the epoch, also above `known`. Throws
// staleEpoch otherwise.
Task<InodeRow> storeReplicas(SqlTx& tx, InodeRow row, ReplicaSet next, std::int64_t now, Epoch known = 0);
// What a decision about the file's replicas has to respect.
Task<FileNeeds> needsOf(SqlTx& tx, const InodeRow& row, const PlacementView& view);
void addRemovals(SqlTx& tx, InodeId inode, const std::vector<StorageId>& storages);

// ---- what watchers are told
inline Change tellInode(InodeId inode) {
  Change change;
  change.inode = inode;
  return change;
}
inline Change tellName(InodeId inode, InodeId parent, const std::string& name) {
  Change change;
  change.inode = inode;
  change.parent = parent;
  change.name = name;
  return change;
}

// ---- columns, for statements of the operations
#define VCFS_INODE_OWN_COLUMNS                                                                            \
  "i.inode, i.type, i.mode, i.nlink, i.uid, i.gid, i.size, i.blocks, i.atime, i.mtime, i.ctime, i.rdev, " \
  "i.state, i.epoch, i.change_id, i.tenant, i.path, i.parent, i.group_name, i.copies, i.flags, i.mtime_fixed, "
// Where many inodes are asked for: a row for each.
#define VCFS_INODE_COLUMNS                                                                               \
  VCFS_INODE_OWN_COLUMNS                                                                                 \
  "CASE WHEN i.type = 1 THEN (SELECT GROUP_CONCAT(r.position * 137438953472 + r.storage * 4 + r.state) " \
  "FROM replicas r WHERE r.inode = i.inode) ELSE NULL END"
inline constexpr std::size_t kInodeColumns = 23;
InodeRow toInodeRow(const Rows& rows, std::size_t row, std::size_t firstColumn = 0);
// Where one inode is asked for: a row for each of its replicas, or one. Half the price of the former on MariaDB.
#define VCFS_JOINED_COLUMNS VCFS_INODE_OWN_COLUMNS "r.position, r.storage, r.state"
#define VCFS_JOIN_REPLICAS " LEFT JOIN replicas r ON r.inode = i.inode "
InodeRow toJoinedRow(const Rows& rows, std::size_t firstColumn = 0);

}  // namespace vcfs::tracker::ops
