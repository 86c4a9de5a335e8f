#include "common/base/error.h"
#include "tracker/core/names.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {
constexpr Statement kParent{"SELECT parent, type FROM inodes WHERE inode = ?"};
constexpr Statement kTarget{"SELECT target, type FROM inodes WHERE inode = ?"};
}  // namespace

Task<std::optional<Entry>> lookup(SqlTx& tx, InodeId parent, std::string name) {
  checkLookupName(name);
  auto row = co_await findChild(tx, parent, name);
  if (row) co_return row->entry();
  // Nothing there: is it the name or the directory that is missing?
  co_await getDirectory(tx, parent);
  co_return std::nullopt;
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
