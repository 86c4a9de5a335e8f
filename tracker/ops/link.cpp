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
  const auto found = co_await tx.execAll(lockDirectoryQuery(newParent), inodeQuery(inode, Lock::rows),
                                         dentryQuery(newParent, newName));
  directoryOf(found[0], newParent);
  if (found[1].empty()) throw Error(Errc::notFound, "there is no inode to link to");
  InodeRow row = toJoinedRow(found[1]);
  if (row.isDirectory()) throw Error(Errc::notPermitted, "a directory has one name");
  if (row.attr.nlink == 0) throw Error(Errc::notFound, "the file's last name is gone");
  if (row.attr.nlink >= kMaxLinks) throw Error(Errc::tooManyLinks, "a file has at most 65000 names");
  if (!found[2].empty()) throw Error(Errc::exists, "the name exists");
  DentryRow dentry{inode, row.attr.type, occasion.freshId};
  insertDentry(tx, newParent, newName, dentry);
  tx.later(kAddLink, occasion.now, inode);
  ++row.attr.nlink;
  row.attr.ctimeNs = occasion.now;
  ++row.attr.changeId;
  touchDirectory(tx, newParent, 0, occasion.now);

  Outcome outcome;
  outcome.entry = row.entry();
  outcome.changes.push_back(tellName(inode, newParent, newName));
  outcome.changes.push_back(tellInode(newParent));
  recordRequest(tx, occasion.request, RequestOp::link, outcome, occasion.now);
  co_return outcome;
}

}  // namespace vcfs::tracker::ops
