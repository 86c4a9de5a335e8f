#include "common/base/error.h"
#include "tracker/core/names.h"
#include "tracker/core/posix_acl.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

constexpr std::uint32_t kSetGid = 02000;
constexpr std::size_t kMaxRememberedPath = 1024;

void check(const CreateParams& params) {
  checkName(params.name);
  if (params.type == FileType::none || params.type == FileType::directory || params.type > FileType::charDevice) {
    throw Error(Errc::invalid, "create makes files, links and nodes; mkdir makes directories");
  }
  if (params.type != FileType::symlink) return;
  if (params.symlinkTarget.empty()) throw Error(Errc::notFound, "a symbolic link needs a target");
  if (params.symlinkTarget.size() > kMaxSymlink)
    throw Error(Errc::nameTooLong, "a symbolic link's target has at most 4095 bytes");
}

// The tenant is the first-level directory; files directly in the root belong to "default".
void setOrigin(InodeRow& row, const std::vector<Ancestor>& chain, const std::string& name) {
  row.tenant = chain.empty() ? "default" : chain.back().name;
  for (auto it = chain.rbegin(); it != chain.rend(); ++it) row.path += "/" + it->name;
  row.path += "/" + name;
  if (row.path.size() > kMaxRememberedPath) row.path.resize(kMaxRememberedPath);
}

Task<void> placeReplicas(SqlTx& tx, InodeRow* row, std::shared_ptr<const PlacementView> view) {
  const GroupRow group = co_await groupForUser(tx, row->tenant, view);
  if (view->settling.count(group.name) > 0) {
    throw Error(Errc::unavailable, "the storage servers of group " + group.name + " are still reporting in");
  }
  PlacementRequest request;
  request.group = group.name;
  request.copies = group.copies;
  request.seed = row->attr.inode;
  const std::vector<StorageId> servers = place(*view, request);
  if (servers.empty()) {
    if (anyAlive(*view, group.name) && !view->justLost.contains(group.name))
      throw Error(Errc::noSpace, "no storage server of group " + group.name + " has room");
    throw Error(Errc::unavailable, "no storage server of group " + group.name + " is reachable");
  }
  row->group = group.name;
  row->copies = group.copies;
  for (StorageId id : servers) row->replicas.push_back(Replica{id, ReplicaState::inSync, {}});
}

// What a new inode inherits of its directory's default ACL, which then stands in for the umask.
struct Inherited {
  std::string access;
  std::string defaults;  // handed on to directories
};

Task<Inherited> inherit(SqlTx& tx, const DirectoryRow& parent, std::uint32_t umask, InodeRow* row) {
  Inherited result;
  if (row->attr.type == FileType::symlink) co_return result;
  std::optional<std::string> defaults;
  if ((parent.flags & kFlagDefaultAcl) != 0) defaults = co_await findXattr(tx, parent.inode, kAclDefault);
  auto inherited = inheritAcl(defaults.value_or(std::string()), row->attr.mode);
  if (!inherited) {
    row->attr.mode &= ~(umask & 0777);
    co_return result;
  }
  row->attr.mode = inherited->mode;
  result.access = inherited->access;
  if (!result.access.empty()) row->flags |= kFlagAccessAcl | kFlagXattrs;
  if (row->isDirectory()) {
    result.defaults = *defaults;
    row->flags |= kFlagDefaultAcl | kFlagXattrs;
  }
  co_return result;
}

void storeInherited(SqlTx& tx, InodeId inode, const Inherited& inherited) {
  if (!inherited.access.empty()) putXattr(tx, inode, kAclAccess, inherited.access);
  if (!inherited.defaults.empty()) putXattr(tx, inode, kAclDefault, inherited.defaults);
}

InodeRow newRow(const CreateParams& params, const DirectoryRow& parent, const Occasion& occasion) {
  InodeRow row;
  row.attr.inode = occasion.freshId;
  row.attr.type = params.type;
  row.attr.mode = params.mode & 07777;
  row.attr.nlink = 1;
  row.attr.uid = params.uid;
  row.attr.gid = (parent.mode & kSetGid) != 0 ? parent.gid : params.gid;
  row.attr.atimeNs = row.attr.mtimeNs = row.attr.ctimeNs = occasion.now;
  row.attr.rdev = params.rdev;
  row.attr.changeId = 1;
  if (params.type == FileType::symlink) {
    row.attr.size = params.symlinkTarget.size();
    row.attr.mode = 0777;
  }
  return row;
}

}  // namespace

Task<Outcome> create(SqlTx& tx, CreateParams params, Occasion occasion) {
  check(params);
  const auto found = co_await tx.execAll(lockDirectoryQuery(params.parent), dentryQuery(params.parent, params.name));
  const DirectoryRow parent = directoryOf(found[0], params.parent);
  Outcome outcome;
  if (!found[1].empty()) {
    if (params.exclusive || params.type != FileType::regular) throw Error(Errc::exists, "the name exists");
    const auto present = co_await findChild(tx, params.parent, params.name);
    if (!present) throw Error(Errc::corrupted, "the name stands for an inode that is not there");
    outcome.entry = present->entry();
    recordRequest(tx, occasion.request, RequestOp::create, outcome, occasion.now);
    co_return outcome;
  }
  InodeRow row = newRow(params, parent, occasion);
  const Inherited acls = co_await inherit(tx, parent, params.umask, &row);
  if (row.isFile()) {
    row.attr.state = FileState::open;
    row.attr.epoch = 1;
    const auto chain = co_await chainOf(tx, parent);
    setOrigin(row, chain, params.name);
    co_await placeReplicas(tx, &row, occasion.view);
  }
  insertInode(tx, row, params.symlinkTarget, occasion.request.client);
  storeInherited(tx, row.attr.inode, acls);
  DentryRow dentry{row.attr.inode, row.attr.type, occasion.freshId};
  insertDentry(tx, params.parent, params.name, dentry);
  touchDirectory(tx, params.parent, 0, occasion.now);

  outcome.entry = row.entry();
  outcome.created = true;
  outcome.changes.push_back(tellName(row.attr.inode, params.parent, params.name));
  outcome.changes.push_back(tellInode(params.parent));
  recordRequest(tx, occasion.request, RequestOp::create, outcome, occasion.now);
  co_return outcome;
}

Task<Outcome> mkdir(SqlTx& tx, CreateParams params, Occasion occasion) {
  checkName(params.name);
  const auto found = co_await tx.execAll(lockDirectoryQuery(params.parent), dentryQuery(params.parent, params.name));
  const DirectoryRow parent = directoryOf(found[0], params.parent);
  if (!found[1].empty()) throw Error(Errc::exists, "the name exists");
  if (parent.nlink >= kMaxLinks * 1000) throw Error(Errc::tooManyLinks, "the directory has too many directories");
  params.type = FileType::directory;
  InodeRow row = newRow(params, parent, occasion);
  row.attr.nlink = 2;
  row.attr.mode |= parent.mode & kSetGid;
  row.parent = params.parent;
  row.path = params.name;
  const Inherited acls = co_await inherit(tx, parent, params.umask, &row);
  insertInode(tx, row, params.symlinkTarget, occasion.request.client);
  storeInherited(tx, row.attr.inode, acls);
  DentryRow dentry{row.attr.inode, row.attr.type, occasion.freshId};
  insertDentry(tx, params.parent, params.name, dentry);
  touchDirectory(tx, params.parent, 1, occasion.now);

  Outcome outcome;
  outcome.entry = row.entry();
  outcome.created = true;
  outcome.changes.push_back(tellName(row.attr.inode, params.parent, params.name));
  outcome.changes.push_back(tellInode(params.parent));
  recordRequest(tx, occasion.request, RequestOp::mkdir, outcome, occasion.now);
  co_return outcome;
}

}  // namespace vcfs::tracker::ops
