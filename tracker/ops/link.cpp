#include "common/base/error.h"
#include "tracker/core/names.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {
constexpr Statement kAddLink{
    "UPDATE inodes SET nlink = nlink + 1, ctime = ?, change_id = change_id + 1 WHERE inode = ?"};
}  // namespace

Task<Outcome> link(SqlTx& tx, InodeId inode, InodeId newParent, std::string newName, Occasion occasion) {
  checkName(newName);
  co_await getDirectory(tx, newParent, Lock::rows);
  const InodeRow row = co_await getInode(tx, inode, Lock::rows);
  if (row.isDirectory()) throw Error(Errc::notPermitted, "a directory has one name");
  if (row.attr.nlink == 0) throw Error(Errc::notFound, "the file's last name is gone");
  if (row.attr.nlink >= kMaxLinks) throw Error(Errc::tooManyLinks, "a file has at most 65000 names");
  if (auto present = co_await findDentry(tx, newParent, newName)) throw Error(Errc::exists, "the name exists");
  DentryRow dentry{inode, row.attr.type, occasion.freshId};
  co_await insertDentry(tx, newParent, newName, dentry);
  co_await tx.exec(kAddLink, occasion.now, inode);
  co_await touchDirectory(tx, newParent, 0, occasion.now);

  Outcome outcome;
  const InodeRow present = co_await getInode(tx, inode);
  outcome.entry = present.entry();
  outcome.changes.push_back(tellName(inode, newParent, newName));
  outcome.changes.push_back(tellInode(newParent));
  co_await recordRequest(tx, occasion.request, RequestOp::link, outcome, occasion.now);
  co_return outcome;
}

}  // namespace vcfs::tracker::ops
