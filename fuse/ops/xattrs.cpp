// Extended attributes. user.vcfs.* is made up here, read-only and not listed: a listed one would be copied by `cp -a`
// and `rsync -X`, and then refused.

#include "common/base/log.h"
#include "fuse/convert.h"
#include "fuse/errno_map.h"
#include "fuse/file_system.h"
#include "schema/state_names.h"
#include "vcfs/file_capability.h"

namespace vcfs::fuse {

namespace {

constexpr std::string_view kVirtual = "user.vcfs.";

bool startsWith(const std::string& name, std::string_view prefix) {
  return name.compare(0, prefix.size(), prefix) == 0;
}

constexpr std::string_view kAclAccess = "system.posix_acl_access";
constexpr std::string_view kAclDefault = "system.posix_acl_default";

bool isAcl(const std::string& name) { return name == kAclAccess || name == kAclDefault; }

void requireOffered(const std::string& name) {
  if (isAcl(name)) return;
  // No label is kept, and who is told so once (`ls -l`) does not ask for each file's.
  if (name == "security.selinux") throw Error(Errc::notSupported);
  for (std::string_view prefix : {"user.", "trusted.", "security."}) {
    if (name == prefix) throw Error(Errc::invalid, "an attribute's name ends behind its first dot");
    if (startsWith(name, prefix)) return;
  }
  throw Error(Errc::notSupported);
}

std::optional<std::string> virtualValue(const Entry& entry, const std::string& name) {
  auto what = std::string_view(name).substr(kVirtual.size());
  const auto& attr = entry.attr;
  if (what == "id") return log::hex(attr.inode);
  if (attr.type != FileType::regular) return std::nullopt;
  if (what == "state") return std::string(nameOf(attr.state));
  if (what == "epoch") return std::to_string(attr.epoch);
  if (what == "replicas") {
    static constexpr const char* kStates[] = {"in-sync", "syncing", "stale"};
    std::string text;
    for (const auto& replica : entry.layout.replicas) {
      if (!text.empty()) text += '\n';
      text += fmt::format("{} {}", replica.address, kStates[static_cast<int>(replica.state)]);
    }
    return text;
  }
  return std::nullopt;
}

bool answer(Request& request, const std::string& value, std::size_t room) {
  if (room == 0) return request.attributeSize(value.size());
  if (value.size() > room) return request.error(errnoBufferTooSmall());
  return request.bytes(value.data(), value.size());
}

}  // namespace

Task<void> FileSystem::getxattr(RequestPtr request, std::uint64_t node, std::string name, std::size_t room) {
  auto id = inodeOf(node);
  if (startsWith(name, kVirtual)) {
    auto entry = co_await cluster_->getAttr(id);
    auto value = virtualValue(entry, name);
    if (!value) throw Error(Errc::noAttribute);
    answer(*request, *value, room);
    co_return;
  }
  requireOffered(name);
  // `ls -l` asks for every file's ACL, and the kernel for security.capability before a write.
  if (known_->plain.contains(id)) {
    request->error(errnoNoAttribute());
    co_return;
  }
  if (isAcl(name)) {
    const bool present = co_await hasAcl(id, name);
    if (!present) throw Error(Errc::noAttribute);
  }
  auto value = co_await cluster_->getXattr(id, std::move(name));
  if (!value) throw Error(Errc::noAttribute);
  answer(*request, *value, room);
}

// The kernel asks before it checks the permissions of who is not the owner.
Task<bool> FileSystem::hasAcl(InodeId id, std::string name) {
  auto since = known_->changes.now();
  auto entry = co_await known_->fresh(id);
  known_->notePlain(entry, since);
  auto bit = name == kAclAccess ? kHasAccessAcl : kHasDefaultAcl;
  co_return (entry.attr.acl & bit) != 0;
}

Task<bool> FileSystem::losesSetGid(RequestPtr request, InodeId id) {
  constexpr std::uint32_t kSetGid = 02000;
  if (request->uid() == 0) co_return false;
  auto entry = co_await known_->fresh(id);
  co_return (entry.attr.mode & kSetGid) != 0 && !request->inGroup(entry.attr.gid);
}

Task<void> FileSystem::listxattr(RequestPtr request, std::uint64_t node, std::size_t room) {
  auto id = inodeOf(node);
  std::string text;
  if (!known_->plain.contains(id)) {
    auto names = co_await cluster_->listXattr(id);
    bool root = request->uid() == 0;
    for (const auto& name : names) {
      if (!root && startsWith(name, "trusted.")) continue;
      text += name;
      text += '\0';
    }
  }
  answer(*request, text, room);
}

Task<void> FileSystem::setxattr(RequestPtr request, std::uint64_t node, std::string name, std::string value,
                                int flags) {
  auto id = inodeOf(node);
  if (startsWith(name, kVirtual)) throw Error(Errc::notPermitted);
  requireOffered(name);
  auto inode = known_->inodes.find(id);
  if (inode && name == kCapabilityAttribute) inode->entry.attr.acl |= kHasCapability;
  constexpr std::uint32_t kDropSetGid = 4;
  auto how = static_cast<std::uint32_t>(flags) & 3;
  const bool setsMode = name == kAclAccess;
  if (setsMode && co_await losesSetGid(request, id)) how |= kDropSetGid;
  known_->plain.remove(id);
  try {
    co_await cluster_->setXattr(id, std::move(name), std::move(value), how, std::nullopt);
  } catch (const Error& error) {
    request->error(toXattrErrno(error.code()));
    co_return;
  }
  known_->changes.note(id);
  known_->plain.remove(id);
  if (inode = known_->inodes.find(id); inode) {
    inode->known = false;
    inode->changedHere = true;
    // A write through a descriptor that is open ends set-id bits by the mode that is remembered.
    if (setsMode && inode->handles > 0) co_await known_->askPrivileges(inode);
  }
  co_await atimes_->hearOfNextRead(id);
  request->done();
}

Task<void> FileSystem::removexattr(RequestPtr request, std::uint64_t node, std::string name) {
  auto id = inodeOf(node);
  if (startsWith(name, kVirtual)) throw Error(Errc::notPermitted);
  requireOffered(name);
  co_await cluster_->removeXattr(id, std::move(name));
  known_->changes.note(id);
  if (auto inode = known_->inodes.find(id)) {
    inode->known = false;
    inode->changedHere = true;
  }
  co_await atimes_->hearOfNextRead(id);
  request->done();
}

}  // namespace vcfs::fuse
