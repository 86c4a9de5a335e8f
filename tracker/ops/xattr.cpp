#include "common/base/error.h"
#include "tracker/core/names.h"
#include "tracker/core/posix_acl.h"
#include "tracker/ops/operations.h"
#include "vcfs/file_capability.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kGet{"SELECT value FROM xattrs WHERE inode = ? AND name = ?"};
constexpr Statement kList{"SELECT name FROM xattrs WHERE inode = ? ORDER BY name"};
constexpr Statement kCount{"SELECT COUNT(*) FROM xattrs WHERE inode = ?"};
constexpr Statement kPut{"REPLACE INTO xattrs (inode, name, value) VALUES (?, ?, ?)"};
constexpr Statement kRemove{"DELETE FROM xattrs WHERE inode = ? AND name = ?"};
constexpr Statement kTouch{
    "UPDATE inodes SET ctime = ?, mode = ?, flags = ?, change_id = change_id + 1 WHERE inode = ?"};
constexpr std::uint32_t kCreate = 1;
constexpr std::uint32_t kReplace = 2;
constexpr std::uint32_t kDropSetGid = 4;
constexpr std::uint32_t kWithMode = 0x80000000u;
constexpr std::int64_t kMaxAttributes = 512;

void check(const SetXattrParams& params) {
  checkXattrName(params.name);
  if (params.value.size() > kMaxXattrValue) throw Error(Errc::tooLarge, "an attribute's value has at most 64 KiB");
  if ((params.flags & ~kDropSetGid) > (kCreate | kReplace)) {
    throw Error(Errc::invalid, "setXattr: flags are 1 (create) and 2 (replace)");
  }
}

Task<void> checkPresence(SqlTx& tx, InodeId inode, const SetXattrParams& params) {
  const auto present = co_await findXattr(tx, inode, params.name);
  const std::uint32_t flags = params.flags & ~kDropSetGid;
  // Both at once can never be; what is there decides how it is refused.
  if ((flags & kCreate) != 0 && present) throw Error(Errc::exists, "the attribute exists");
  if ((flags & kReplace) != 0 && !present) throw Error(Errc::noAttribute, "no such attribute");
  if (present) co_return;
  const Rows count = co_await tx.exec(kCount, inode);
  if (count.integer(0, 0) >= kMaxAttributes) throw Error(Errc::noSpace, "an inode has at most 512 attributes");
}

Outcome finish(SqlTx& tx, InodeRow row, RequestOp op, const Occasion& occasion) {
  row.attr.ctimeNs = occasion.now;
  ++row.attr.changeId;
  tx.later(kTouch, occasion.now, row.attr.mode, row.flags, row.attr.inode);
  Outcome outcome;
  outcome.entry = row.entry();
  outcome.changes.push_back(tellInode(row.attr.inode));
  recordRequest(tx, occasion.request, op, outcome, occasion.now);
  return outcome;
}

bool isAcl(const std::string& name) { return name == kAclAccess || name == kAclDefault; }

// An ACL and the row agree about the mode and about there being one. True when the ACL itself is to be kept.
bool applyAcl(InodeRow& row, const SetXattrParams& params) {
  const bool access = params.name == kAclAccess;
  const std::uint32_t flag = access ? kFlagAccessAcl : kFlagDefaultAcl;
  const AclMeaning meaning = readAcl(params.value);
  if (!access && !row.isDirectory()) throw Error(Errc::accessDenied, "only directories have default ACLs");
  if (row.attr.type == FileType::symlink) throw Error(Errc::notSupported, "symbolic links have no ACLs");
  if (access && !meaning.empty) {
    row.attr.mode = (row.attr.mode & ~0777u) | meaning.mode;
    if ((params.flags & kDropSetGid) != 0) row.attr.mode &= ~02000u;
  }
  const bool keep = !meaning.empty && !(access && meaning.modeSaysIt);
  row.flags = keep ? row.flags | flag : row.flags & ~flag;
  return keep;
}

}  // namespace

Task<std::optional<std::string>> findXattr(SqlTx& tx, InodeId inode, std::string name) {
  const Rows rows = co_await tx.exec(kGet, inode, name);
  if (rows.empty()) co_return std::nullopt;
  co_return rows.text(0, 0);
}

void putXattr(SqlTx& tx, InodeId inode, const std::string& name, const std::string& value) {
  tx.later(kPut, inode, name, value);
}

Task<std::string> getXattr(SqlTx& tx, InodeId inode, std::string name) {
  checkXattrName(name);
  auto value = co_await findXattr(tx, inode, std::move(name));
  if (value) co_return std::move(*value);
  co_await getInode(tx, inode);
  throw Error(Errc::noAttribute, "no such attribute");
}

Task<std::vector<std::string>> listXattr(SqlTx& tx, InodeId inode) {
  const Rows rows = co_await tx.exec(kList, inode);
  if (rows.empty()) co_await getInode(tx, inode);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < rows.size(); ++i) names.push_back(rows.text(i, 0));
  co_return names;
}

Task<Outcome> setXattr(SqlTx& tx, InodeId inode, SetXattrParams params, Occasion occasion) {
  check(params);
  InodeRow row = co_await getInode(tx, inode, Lock::rows);
  co_await checkPresence(tx, inode, params);
  const bool keep = !isAcl(params.name) || applyAcl(row, params);
  if (keep) {
    row.flags |= kFlagXattrs;
    putXattr(tx, inode, params.name, params.value);
  } else {
    tx.later(kRemove, inode, params.name);
  }
  if (params.name == kCapabilityAttribute) row.flags |= kFlagCapability;
  if ((params.mode & kWithMode) != 0) row.attr.mode = params.mode & 07777;
  co_return finish(tx, std::move(row), RequestOp::setXattr, occasion);
}

Task<Outcome> removeXattr(SqlTx& tx, InodeId inode, std::string name, Occasion occasion) {
  checkXattrName(name);
  InodeRow row = co_await getInode(tx, inode, Lock::rows);
  const Rows removed = co_await tx.exec(kRemove, inode, name);
  // An ACL that says no more than the mode is not kept, so there may be none to remove.
  if (removed.changed() == 0 && !isAcl(name)) throw Error(Errc::noAttribute, "no such attribute");
  if (name == kAclDefault) row.flags &= ~kFlagDefaultAcl;
  if (name == kAclAccess) row.flags &= ~kFlagAccessAcl;
  if (name == kCapabilityAttribute) row.flags &= ~kFlagCapability;
  co_return finish(tx, std::move(row), RequestOp::removeXattr, occasion);
}

}  // namespace vcfs::tracker::ops
