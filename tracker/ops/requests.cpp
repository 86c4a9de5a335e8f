#include "common/base/error.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kRecord{
    "INSERT INTO requests (client, sequence, op, inode, other, flag, made_at) VALUES (?, ?, ?, ?, ?, ?, ?)"};
constexpr Statement kFind{"SELECT op, inode, other, flag FROM requests WHERE client = ? AND sequence = ?"};

// The inode as it is now; when it was reclaimed meanwhile, only that it has no name any more.
Task<Entry> presentEntry(SqlTx& tx, InodeId inode) {
  Entry gone;
  gone.attr.inode = inode;
  if (inode == 0) co_return gone;
  auto row = co_await findInode(tx, inode);
  co_return row ? row->entry() : gone;
}

}  // namespace

void recordRequest(SqlTx& tx, Request request, RequestOp op, const Outcome& outcome, std::int64_t now) {
  if (request.client == 0) return;
  const InodeId other = outcome.replaced ? outcome.replaced->attr.inode : 0;
  tx.later(kRecord, request.client, request.sequence, op, outcome.entry.attr.inode, other, outcome.created, now);
}

Task<std::optional<Outcome>> findRequest(SqlTx& tx, Request request, RequestOp op) {
  const Rows rows = co_await tx.exec(kFind, request.client, request.sequence);
  if (rows.empty()) co_return std::nullopt;
  if (static_cast<RequestOp>(rows.integer(0, 0)) != op) {
    throw Error(Errc::invalid, "the request id was used for another operation; each request needs its own");
  }
  Outcome outcome;
  outcome.entry = co_await presentEntry(tx, static_cast<InodeId>(rows.integer(0, 1)));
  const auto other = static_cast<InodeId>(rows.integer(0, 2));
  if (other != 0) outcome.replaced = co_await presentEntry(tx, other);
  outcome.created = rows.integer(0, 3) != 0;
  co_return outcome;
}

std::vector<Change> changesAgain(const Outcome& outcome, const std::vector<NameAt>& names) {
  std::vector<Change> changes;
  const auto tell = [&changes](const Attr& attr) {
    if (attr.inode == 0) return;
    Change change = tellInode(attr.inode);
    change.unlinked = attr.nlink == 0;
    changes.push_back(std::move(change));
  };
  tell(outcome.entry.attr);
  if (outcome.replaced) tell(outcome.replaced->attr);
  for (const NameAt& at : names) {
    changes.push_back(tellName(outcome.entry.attr.inode, at.parent, at.name));
    changes.push_back(tellInode(at.parent));
  }
  return changes;
}

}  // namespace vcfs::tracker::ops
