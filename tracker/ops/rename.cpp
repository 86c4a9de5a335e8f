#include "common/base/error.h"
#include "tracker/core/names.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

// Moves of directories between directories go one at a time, so that two of them cannot make a ring. Written, not only
// locked: a lock counts at one node of a database.
constexpr Statement kCountTreeMove{"UPDATE cluster SET tree_moves = tree_moves + 1 WHERE id = 1"};
constexpr Statement kMoveDirectory{"UPDATE inodes SET parent = ?, path = ? WHERE inode = ?"};
constexpr Statement kRenameDentry{"UPDATE dentries SET name = ? WHERE parent = ? AND name = ?"};
constexpr Statement kPointDentry{"UPDATE dentries SET inode = ?, type = ? WHERE parent = ? AND name = ?"};

void check(const RenameParams& params) {
  checkName(params.name);
  checkName(params.newName);
  if (params.flags > kRenameExchange)
    throw Error(Errc::invalid, "rename knows the flags NOREPLACE (1) and EXCHANGE (2)");
}

struct Names {
  std::optional<InodeRow> source;
  std::optional<InodeRow> target;
};

// What stands at the two names. Locked in a fixed order: the directories, which must be able to take entries, first.
Task<Names> lockNames(SqlTx& tx, const RenameParams& p) {
  std::vector<InodeId> directories{std::min(p.parent, p.newParent)};
  if (p.parent != p.newParent) directories.push_back(std::max(p.parent, p.newParent));
  std::vector<Query> queries;
  queries.reserve(directories.size() + 2);
  for (InodeId directory : directories) queries.push_back(lockDirectoryQuery(directory));
  queries.push_back(childQuery(p.parent, p.name, Lock::rows));
  queries.push_back(childQuery(p.newParent, p.newName, Lock::rows));
  const auto found = co_await tx.executeAll(std::move(queries));
  for (std::size_t i = 0; i < directories.size(); ++i) directoryOf(found[i], directories[i]);
  Names names;
  names.source = inodeOf(found[directories.size()]);
  names.target = inodeOf(found[directories.size() + 1]);
  co_return names;
}

Task<void> refuseRing(SqlTx& tx, InodeId moved, InodeId destination) {
  tx.later(kCountTreeMove);
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

void touchParents(SqlTx& tx, const RenameParams& p, int oldLinks, int newLinks, std::int64_t now) {
  if (p.parent == p.newParent) {
    touchDirectory(tx, p.parent, oldLinks + newLinks, now);
    return;
  }
  touchDirectory(tx, p.parent, oldLinks, now);
  touchDirectory(tx, p.newParent, newLinks, now);
}

// The inode gets its new place; returns it as it is then.
InodeRow moveInode(SqlTx& tx, InodeRow row, InodeId parent, const std::string& name, std::int64_t now) {
  touchCtime(tx, row.attr.inode, now);
  row.attr.ctimeNs = now;
  ++row.attr.changeId;
  if (row.isDirectory()) {
    tx.later(kMoveDirectory, parent, name, row.attr.inode);
    row.parent = parent;
    row.path = name;
  }
  return row;
}

Task<void> exchange(SqlTx& tx, const RenameParams& p, InodeRow source, InodeRow target, Outcome* outcome,
                    std::int64_t now) {
  const bool across = p.parent != p.newParent;
  if (across && source.isDirectory()) co_await refuseRing(tx, source.attr.inode, p.newParent);
  if (across && target.isDirectory()) co_await refuseRing(tx, target.attr.inode, p.parent);
  tx.later(kPointDentry, target.attr.inode, target.attr.type, p.parent, p.name);
  tx.later(kPointDentry, source.attr.inode, source.attr.type, p.newParent, p.newName);
  const int links = int{target.isDirectory()} - int{source.isDirectory()};
  touchParents(tx, p, links, -links, now);
  outcome->entry = moveInode(tx, std::move(source), p.newParent, p.newName, now).entry();
  outcome->replaced = moveInode(tx, std::move(target), p.parent, p.name, now).entry();
  tellNames(*outcome, p, outcome->replaced->attr.inode, outcome->entry.attr.inode);
}

// A name keeps its place in listings whatever it stands for, and an inode that stays in its directory keeps its own:
// who lists the directory meanwhile neither misses it nor meets it again, and comes to an end.
void moveDentry(SqlTx& tx, const RenameParams& p, const InodeRow& source, bool replaces, std::uint64_t freshId) {
  if (replaces) {
    tx.later(kPointDentry, source.attr.inode, source.attr.type, p.newParent, p.newName);
    deleteDentry(tx, p.parent, p.name);
  } else if (p.parent == p.newParent) {
    tx.later(kRenameDentry, p.newName, p.parent, p.name);
  } else {
    deleteDentry(tx, p.parent, p.name);
    DentryRow dentry{source.attr.inode, source.attr.type, freshId};
    insertDentry(tx, p.newParent, p.newName, dentry);
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
  moveDentry(tx, p, source, target.has_value(), occasion.freshId);
  const int left = source.isDirectory() ? -1 : 0;
  const int replaced = target && target->isDirectory() ? -1 : 0;
  touchParents(tx, p, left, -left + replaced, occasion.now);
  outcome->entry = moveInode(tx, std::move(source), p.newParent, p.newName, occasion.now).entry();
  tellNames(*outcome, p, outcome->entry.attr.inode, outcome->entry.attr.inode);
  if (!target) co_return;
  const InodeRow gone = dropLink(tx, std::move(*target), occasion.now, occasion.trash);
  outcome->replaced = gone.entry();
  Change change;
  change.inode = gone.attr.inode;
  change.unlinked = gone.attr.nlink == 0;
  outcome->changes.push_back(std::move(change));
}

}  // namespace

Task<Outcome> rename(SqlTx& tx, RenameParams params, Occasion occasion) {
  check(params);
  auto [source, target] = co_await lockNames(tx, params);
  if (!source) throw Error(Errc::notFound, "no such name");
  const bool exchanging = params.flags == kRenameExchange;
  if (exchanging && !target) throw Error(Errc::notFound, "there is nothing to exchange with");
  if (params.flags == kRenameNoReplace && target) throw Error(Errc::exists, "the new name exists");

  Outcome outcome;
  const bool same = target && target->attr.inode == source->attr.inode;
  if (same) {  // two links of one inode: nothing happens
    outcome.entry = source->entry();
  } else if (exchanging) {
    co_await exchange(tx, params, std::move(*source), std::move(*target), &outcome, occasion.now);
  } else {
    co_await move(tx, params, std::move(*source), std::move(target), &outcome, occasion);
  }
  recordRequest(tx, occasion.request, RequestOp::rename, outcome, occasion.now);
  co_return outcome;
}

}  // namespace vcfs::tracker::ops
