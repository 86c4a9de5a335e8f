#include "common/base/error.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {
constexpr Statement kOpen{
    "UPDATE inodes SET state = 1, opener = ?, opened_at = ?, flags = ?, change_id = change_id + 1 WHERE inode = ?"};
}  // namespace

Task<Outcome> openForWrite(SqlTx& tx, InodeId inode, ClientId client, Occasion occasion) {
  InodeRow row = co_await getInode(tx, inode, Lock::rows);
  if (row.isDirectory()) throw Error(Errc::isDirectory, "a directory cannot be written");
  if (!row.isFile()) throw Error(Errc::invalid, "only regular files are opened for writing");
  if (row.attr.state == FileState::lost) throw Error(Errc::io, "the file is lost: no server has its data any more");
  if (primaryOf(row.replicas) == nullptr) throw Error(Errc::unavailable, "no replica of the file is in sync");
  row.flags |= kFlagReopened;
  row.attr.state = FileState::open;
  ++row.attr.changeId;
  tx.later(kOpen, client, occasion.now, row.flags, inode);
  Outcome outcome;
  outcome.entry = row.entry();
  // Also where the catalog knows of no closing: a reader may, from the primary, which had not reported it yet.
  outcome.changes.push_back(tellInode(inode));
  recordRequest(tx, occasion.request, RequestOp::openForWrite, outcome, occasion.now);
  co_return outcome;
}

}  // namespace vcfs::tracker::ops
