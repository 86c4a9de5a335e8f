#include "common/base/error.h"
#include "tracker/core/posix_acl.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

enum Mask : std::uint32_t {
  kMode = 1,
  kUid = 2,
  kGid = 4,
  kAtime = 8,
  kMtime = 16,
  kAtimeNow = 32,
  kMtimeNow = 64,
  kCtime = 128
};

constexpr Statement kUpdate{
    "UPDATE inodes SET mode = ?, uid = ?, gid = ?, atime = ?, mtime = ?, ctime = ?, mtime_fixed = ?,"
    " change_id = change_id + 1 WHERE inode = ?"};

void apply(InodeRow& row, const SetAttrParams& p, std::int64_t now) {
  Attr& attr = row.attr;
  if (p.mask & kMode) attr.mode = p.mode & 07777;
  if (p.mask & kUid) attr.uid = p.uid;
  if (p.mask & kGid) attr.gid = p.gid;
  if (p.mask & kAtime) attr.atimeNs = p.atimeNs;
  if (p.mask & kAtimeNow) attr.atimeNs = now;
  if (p.mask & kMtime) attr.mtimeNs = p.mtimeNs;
  if (p.mask & kMtimeNow) attr.mtimeNs = now;
  if (p.mask & (kMtime | kMtimeNow)) row.mtimeFixedNs = now;
  attr.ctimeNs = (p.mask & kCtime) != 0 ? p.ctimeNs : now;
  ++attr.changeId;
}

// chmod changes what the access ACL says about owner, group class and others.
Task<void> keepAclInStep(SqlTx& tx, InodeId inode, std::uint32_t mode) {
  const auto acl = co_await findXattr(tx, inode, kAclAccess);
  if (!acl) co_return;
  if (auto changed = aclWithMode(*acl, mode)) putXattr(tx, inode, kAclAccess, *changed);
}

}  // namespace

Task<Outcome> setAttr(SqlTx& tx, InodeId inode, SetAttrParams params, Occasion occasion) {
  if (params.mask >= 256) throw Error(Errc::invalid, "setAttr: unknown bits in the mask");
  InodeRow row = co_await getInode(tx, inode, Lock::rows);
  apply(row, params, occasion.now);
  const Attr& a = row.attr;
  tx.later(kUpdate, a.mode, a.uid, a.gid, a.atimeNs, a.mtimeNs, a.ctimeNs, row.mtimeFixedNs, inode);
  if ((params.mask & kMode) != 0 && (row.flags & kFlagAccessAcl) != 0) co_await keepAclInStep(tx, inode, a.mode);
  Outcome outcome;
  outcome.entry = row.entry();
  outcome.changes.push_back(tellInode(inode));
  recordRequest(tx, occasion.request, RequestOp::setAttr, outcome, occasion.now);
  co_return outcome;
}

}  // namespace vcfs::tracker::ops
