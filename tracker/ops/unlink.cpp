#include "common/base/error.h"
#include "tracker/core/names.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

// The entry of a directory that can lose entries, both locked.
Task<std::optional<InodeRow>> lockEntry(SqlTx& tx, InodeId parent, const std::string& name) {
  const auto found = co_await tx.execAll(lockDirectoryQuery(parent), childQuery(parent, name, Lock::rows));
  directoryOf(found[0], parent);
  co_return inodeOf(found[1]);
}

// The name goes, the parent's times move, the inode loses a link.
Outcome takeAway(SqlTx& tx, InodeId parent, const std::string& name, InodeRow row, RequestOp op,
                 const Occasion& occasion) {
  const int directories = row.isDirectory() ? -1 : 0;
  deleteDentry(tx, parent, name);
  touchDirectory(tx, parent, directories, occasion.now);
  const InodeRow left = dropLink(tx, std::move(row), occasion.now, occasion.trash);
  Outcome outcome;
  outcome.entry = left.entry();
  Change gone;
  gone.inode = left.attr.inode;
  gone.parent = parent;
  gone.name = name;
  gone.unlinked = left.attr.nlink == 0;
  outcome.changes.push_back(std::move(gone));
  outcome.changes.push_back(tellInode(parent));
  recordRequest(tx, occasion.request, op, outcome, occasion.now);
  return outcome;
}

}  // namespace

Task<Outcome> unlink(SqlTx& tx, InodeId parent, std::string name, Occasion occasion) {
  checkLookupName(name);
  auto row = co_await lockEntry(tx, parent, name);
  if (!row) throw Error(Errc::notFound, "no such name");
  if (row->isDirectory()) throw Error(Errc::isDirectory, "the name is a directory; rmdir removes it");
  co_return takeAway(tx, parent, name, std::move(*row), RequestOp::unlink, occasion);
}

Task<Outcome> rmdir(SqlTx& tx, InodeId parent, std::string name, Occasion occasion) {
  checkLookupName(name);
  auto row = co_await lockEntry(tx, parent, name);
  if (!row) throw Error(Errc::notFound, "no such name");
  if (!row->isDirectory()) throw Error(Errc::notDirectory, "the name is not a directory");
  if (co_await hasEntries(tx, row->attr.inode)) throw Error(Errc::notEmpty, "the directory is not empty");
  co_return takeAway(tx, parent, name, std::move(*row), RequestOp::rmdir, occasion);
}

}  // namespace vcfs::tracker::ops
