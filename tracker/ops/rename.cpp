#include "common/base/error.h"
#include "tracker/core/names.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

// Moves of directories between directories go one at a time, so that two of them cannot make a ring.
constexpr Statement kLockTreeMoves{"SELECT id FROM cluster WHERE id = 1 /*lock*/"};
constexpr Statement kMoveDirectory{"UPDATE inodes SET parent = ?, path = ? WHERE inode = ?"};
constexpr Statement kRenameDentry{"UPDATE dentries SET name = ? WHERE parent = ? AND name = ?"};
constexpr Statement kPointDentry{"UPDATE dentries SET inode = ?, type = ? WHERE parent = ? AND name = ?"};

void check(const RenameParams& params) {
  checkName(params.name);
  checkName(params.newName);
  if (params.flags > kRenameExchange)
    throw Error(Errc::invalid, "rename knows the flags NOREPLACE (1) and EXCHANGE (2)");
}

// Throws unless both are directories that can take entries. Locked in a fixed order.
Task<void> lockParents(SqlTx& tx, InodeId a, InodeId b) {
  co_await getDirectory(tx, std::min(a, b), Lock::rows);
  if (a != b) co_await getDirectory(tx, std::max(a, b), Lock::rows);
}

Task<void> refuseRing(SqlTx& tx, InodeId moved, InodeId destination) {
  co_await tx.exec(kLockTreeMoves);
  const auto chain = co_await ancestors(tx, destination);
  for (const Ancestor& ancestor : chain) {
    if (ancestor.inode == moved) throw Error(Errc::invalid, "a directory cannot be moved into its own subtree");
  }
}

void checkReplace(const InodeRow& source, const InodeRow& target) {
  if (source.isDirectory() && !target.isDirectory()) throw Error(Errc::notDirectory, "the new name is not a directory");
  if (!source.isDirectory() && target.isDirectory()) throw Error(Errc::isDirectory, "the new name is a directory");
}

void tellNames(Outcome& outcome, const RenameParams& p, InodeId atOld, InodeId atNew) {
  outcome.changes.push_back(tellName(atOld, p.parent, p.name));
  outcome.changes.push_back(tellName(atNew, p.newParent, p.newName));
  outcome.changes.push_back(tellInode(p.parent));
  if (p.newParent != p.parent) outcome.changes.push_back(tellInode(p.newParent));
}

Task<void> touchParents(SqlTx& tx, const RenameParams& p, int oldLinks, int newLinks, std::int64_t now) {
  if (p.parent == p.newParent) {
    co_await touchDirectory(tx, p.parent, oldLinks + newLinks, now);
    co_return;
  }
  co_await touchDirectory(tx, p.parent, oldLinks, now);
  co_await touchDirectory(tx, p.newParent, newLinks, now);
}

Task<void> exchange(SqlTx& tx, const RenameParams& p, InodeRow source, InodeRow target, Outcome* outcome,
                    std::int64_t now) {
  const bool across = p.parent != p.newParent;
  if (across && source.isDirectory()) co_await refuseRing(tx, source.attr.inode, p.newParent);
  if (across && target.isDirectory()) co_await refuseRing(tx, target.attr.inode, p.parent);
  co_await tx.exec(kPointDentry, target.attr.inode, target.attr.type, p.parent, p.name);
  co_await tx.exec(kPointDentry, source.attr.inode, source.attr.type, p.newParent, p.newName);
  if (source.isDirectory()) co_await tx.exec(kMoveDirectory, p.newParent, p.newName, source.attr.inode);
  if (target.isDirectory()) co_await tx.exec(kMoveDirectory, p.parent, p.name, target.attr.inode);
  co_await touchCtime(tx, source.attr.inode, now);
  co_await touchCtime(tx, target.attr.inode, now);
  const int links = int{target.isDirectory()} - int{source.isDirectory()};
  co_await touchParents(tx, p, links, -links, now);
  const InodeRow other = co_await getInode(tx, target.attr.inode);
  outcome->replaced = other.entry();
  tellNames(*outcome, p, target.attr.inode, source.attr.inode);
}

// A name keeps its place in listings whatever it stands for, and an inode that stays in its directory keeps its own:
// who lists the directory meanwhile neither misses it nor meets it again, and comes to an end.
Task<void> moveDentry(SqlTx& tx, const RenameParams& p, const InodeRow& source, bool replaces, std::uint64_t freshId) {
  if (replaces) {
    co_await tx.exec(kPointDentry, source.attr.inode, source.attr.type, p.newParent, p.newName);
    co_await deleteDentry(tx, p.parent, p.name);
  } else if (p.parent == p.newParent) {
    co_await tx.exec(kRenameDentry, p.newName, p.parent, p.name);
  } else {
    co_await deleteDentry(tx, p.parent, p.name);
    DentryRow dentry{source.attr.inode, source.attr.type, freshId};
    co_await insertDentry(tx, p.newParent, p.newName, dentry);
  }
}

Task<void> move(SqlTx& tx, const RenameParams& p, InodeRow source, std::optional<InodeRow> target, Outcome* outcome,
                const Occasion& occasion) {
  if (source.isDirectory() && p.parent != p.newParent) co_await refuseRing(tx, source.attr.inode, p.newParent);
  if (target) {
    checkReplace(source, *target);
    if (target->isDirectory() && co_await hasEntries(tx, target->attr.inode)) {
      throw Error(Errc::notEmpty, "the directory at the new name is not empty");
    }
  }
  co_await moveDentry(tx, p, source, target.has_value(), occasion.freshId);
  if (source.isDirectory()) co_await tx.exec(kMoveDirectory, p.newParent, p.newName, source.attr.inode);
  co_await touchCtime(tx, source.attr.inode, occasion.now);
  const int left = source.isDirectory() ? -1 : 0;
  const int replaced = target && target->isDirectory() ? -1 : 0;
  co_await touchParents(tx, p, left, -left + replaced, occasion.now);
  tellNames(*outcome, p, source.attr.inode, source.attr.inode);
  if (!target) co_return;
  const InodeRow gone = co_await dropLink(tx, std::move(*target), occasion.now, occasion.trash);
  outcome->replaced = gone.entry();
  Change change;
  change.inode = gone.attr.inode;
  change.unlinked = gone.attr.nlink == 0;
  outcome->changes.push_back(std::move(change));
}

}  // namespace

Task<Outcome> rename(SqlTx& tx, RenameParams params, Occasion occasion) {
  check(params);
  co_await lockParents(tx, params.parent, params.newParent);
  auto source = co_await findChild(tx, params.parent, params.name, Lock::rows);
  if (!source) throw Error(Errc::notFound, "no such name");
  auto target = co_await findChild(tx, params.newParent, params.newName, Lock::rows);
  const bool exchanging = params.flags == kRenameExchange;
  if (exchanging && !target) throw Error(Errc::notFound, "there is nothing to exchange with");
  if (params.flags == kRenameNoReplace && target) throw Error(Errc::exists, "the new name exists");

  Outcome outcome;
  const InodeId moved = source->attr.inode;
  const bool same = target && target->attr.inode == moved;  // two links of one inode: nothing happens
  if (!same && exchanging) {
    co_await exchange(tx, params, std::move(*source), std::move(*target), &outcome, occasion.now);
  } else if (!same) {
    co_await move(tx, params, std::move(*source), std::move(target), &outcome, occasion);
  }
  const InodeRow present = co_await getInode(tx, moved);
  outcome.entry = present.entry();
  co_await recordRequest(tx, occasion.request, RequestOp::rename, outcome, occasion.now);
  co_return outcome;
}

}  // namespace vcfs::tracker::ops
