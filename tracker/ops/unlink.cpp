#include "common/base/error.h"
#include "tracker/core/names.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

// The name goes, the parent's times move, the inode loses a link.
Task<Outcome> takeAway(SqlTx& tx, InodeId parent, std::string name, InodeRow row, RequestOp op, Occasion occasion) {
  const int directories = row.isDirectory() ? -1 : 0;
  co_await deleteDentry(tx, parent, name);
  co_await touchDirectory(tx, parent, directories, occasion.now);
  const InodeRow left = co_await dropLink(tx, std::move(row), occasion.now, occasion.trash);
  Outcome outcome;
  outcome.entry = left.entry();
  Change gone;
  gone.inode = left.attr.inode;
  gone.parent = parent;
  gone.name = name;
  gone.unlinked = left.attr.nlink == 0;
  outcome.changes.push_back(std::move(gone));
  outcome.changes.push_back(tellInode(parent));
  co_await recordRequest(tx, occasion.request, op, outcome, occasion.now);
  co_return outcome;
}

}  // namespace

Task<Outcome> unlink(SqlTx& tx, InodeId parent, std::string name, Occasion occasion) {
  checkLookupName(name);
  co_await getDirectory(tx, parent, Lock::rows);
  auto row = co_await findChild(tx, parent, name, Lock::rows);
  if (!row) throw Error(Errc::notFound, "no such name");
  if (row->isDirectory()) throw Error(Errc::isDirectory, "the name is a directory; rmdir removes it");
  co_return co_await takeAway(tx, parent, std::move(name), std::move(*row), RequestOp::unlink, std::move(occasion));
}

Task<Outcome> rmdir(SqlTx& tx, InodeId parent, std::string name, Occasion occasion) {
  checkLookupName(name);
  co_await getDirectory(tx, parent, Lock::rows);
  auto row = co_await findChild(tx, parent, name, Lock::rows);
  if (!row) throw Error(Errc::notFound, "no such name");
  if (!row->isDirectory()) throw Error(Errc::notDirectory, "the name is not a directory");
  if (co_await hasEntries(tx, row->attr.inode)) throw Error(Errc::notEmpty, "the directory is not empty");
  co_return co_await takeAway(tx, parent, std::move(name), std::move(*row), RequestOp::rmdir, std::move(occasion));
}

}  // namespace vcfs::tracker::ops
