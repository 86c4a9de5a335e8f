#include "common/base/error.h"
#include "tracker/core/names.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {
// The directory, and the child where there is one.
constexpr Statement kLookup{"SELECT p.type, p.nlink, " VCFS_JOINED_COLUMNS
                            " FROM inodes p LEFT JOIN dentries d ON d.parent = p.inode AND d.name = ?"
                            " LEFT JOIN inodes i ON i.inode = d.inode" VCFS_JOIN_REPLICAS "WHERE p.inode = ?"};
constexpr Statement kParent{"SELECT parent, type FROM inodes WHERE inode = ?"};
constexpr Statement kTarget{"SELECT target, type FROM inodes WHERE inode = ?"};
}  // namespace

Task<std::optional<Entry>> lookup(SqlTx& tx, InodeId parent, std::string name) {
  checkLookupName(name);
  const Rows rows = co_await tx.exec(kLookup, name, parent);
  if (rows.empty() || rows.integer(0, 1) == 0) throw Error(Errc::notFound, "there is no such directory");
  if (static_cast<FileType>(rows.integer(0, 0)) != FileType::directory)
    throw Error(Errc::notDirectory, "not a directory");
  if (rows.integer(0, 2) == 0) co_return std::nullopt;
  const InodeRow row = toJoinedRow(rows, 2);
  co_return row.entry();
}

Task<Entry> getAttr(SqlTx& tx, InodeId inode) {
  const InodeRow row = co_await getInode(tx, inode);
  co_return row.entry();
}

Task<InodeId> parentOf(SqlTx& tx, InodeId inode) {
  const Rows rows = co_await tx.exec(kParent, inode);
  if (rows.empty()) throw Error(Errc::notFound, "no such inode");
  if (static_cast<FileType>(rows.integer(0, 1)) != FileType::directory)
    throw Error(Errc::notDirectory, "not a directory");
  co_return static_cast<InodeId>(rows.integer(0, 0));
}

Task<std::string> readLink(SqlTx& tx, InodeId inode) {
  const Rows rows = co_await tx.exec(kTarget, inode);
  if (rows.empty()) throw Error(Errc::notFound, "no such inode");
  if (static_cast<FileType>(rows.integer(0, 1)) != FileType::symlink) throw Error(Errc::invalid, "not a symbolic link");
  co_return rows.text(0, 0);
}

}  // namespace vcfs::tracker::ops
