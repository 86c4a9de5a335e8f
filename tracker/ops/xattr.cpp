#include "common/base/error.h"
#include "tracker/core/names.h"
#include "tracker/core/posix_acl.h"
#include "tracker/ops/operations.h"

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
constexpr std::uint32_t kWithMode = 0x80000000u;
constexpr std::int64_t kMaxAttributes = 512;

void check(const SetXattrParams& params) {
  checkXattrName(params.name);
  if (params.value.size() > kMaxXattrValue) throw Error(Errc::tooLarge, "an attribute's value has at most 64 KiB");
  if (params.flags > kReplace) throw Error(Errc::invalid, "setXattr: flags are 0, 1 (create) or 2 (replace)");
}

Task<void> checkPresence(SqlTx& tx, InodeId inode, const SetXattrParams& params) {
  const auto present = co_await findXattr(tx, inode, params.name);
  if (params.flags == kCreate && present) throw Error(Errc::exists, "the attribute exists");
  if (params.flags == kReplace && !present) throw Error(Errc::noAttribute, "no such attribute");
  if (present) co_return;
  const Rows count = co_await tx.exec(kCount, inode);
  if (count.integer(0, 0) >= kMaxAttributes) throw Error(Errc::noSpace, "an inode has at most 512 attributes");
}

Task<Outcome> finish(SqlTx& tx, InodeRow row, RequestOp op, Occasion occasion) {
  row.attr.ctimeNs = occasion.now;
  ++row.attr.changeId;
  co_await tx.exec(kTouch, occasion.now, row.attr.mode, row.flags, row.attr.inode);
  Outcome outcome;
  outcome.entry = row.entry();
  outcome.changes.push_back(tellInode(row.attr.inode));
  co_await recordRequest(tx, occasion.request, op, outcome, occasion.now);
  co_return outcome;
}

}  // namespace

Task<std::optional<std::string>> findXattr(SqlTx& tx, InodeId inode, std::string name) {
  const Rows rows = co_await tx.exec(kGet, inode, name);
  if (rows.empty()) co_return std::nullopt;
  co_return rows.text(0, 0);
}

Task<void> putXattr(SqlTx& tx, InodeId inode, std::string name, std::string value) {
  co_await tx.exec(kPut, inode, name, value);
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
  co_await putXattr(tx, inode, params.name, params.value);
  if ((params.mode & kWithMode) != 0) row.attr.mode = params.mode & 07777;
  if (params.name == kAclDefault) row.flags |= kFlagDefaultAcl;
  co_return co_await finish(tx, std::move(row), RequestOp::setXattr, std::move(occasion));
}

Task<Outcome> removeXattr(SqlTx& tx, InodeId inode, std::string name, Occasion occasion) {
  checkXattrName(name);
  InodeRow row = co_await getInode(tx, inode, Lock::rows);
  const Rows removed = co_await tx.exec(kRemove, inode, name);
  if (removed.changed() == 0) throw Error(Errc::noAttribute, "no such attribute");
  if (name == kAclDefault) row.flags &= ~kFlagDefaultAcl;
  co_return co_await finish(tx, std::move(row), RequestOp::removeXattr, std::move(occasion));
}

}  // namespace vcfs::tracker::ops
