// Extended attributes. user.vcfs.* is made up here, read-only and not listed: a listed one would be copied by `cp -a`
// and `rsync -X`, and then refused.

#include "common/base/log.h"
#include "fuse/convert.h"
#include "fuse/errno_map.h"
#include "fuse/file_system.h"

namespace vcfs::fuse {

namespace {

constexpr std::string_view kVirtual = "user.vcfs.";

bool startsWith(const std::string& name, std::string_view prefix) {
  return name.compare(0, prefix.size(), prefix) == 0;
}

bool offered(const std::string& name) {
  return startsWith(name, "user.") || startsWith(name, "trusted.") || startsWith(name, "security.");
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
  if (!offered(name)) throw Error(Errc::notSupported);
  auto inode = inodes_.find(id);
  if (inode && inode->withoutAttributes) throw Error(Errc::noAttribute);
  auto value = co_await cluster_->getXattr(id, std::move(name));
  if (!value) throw Error(Errc::noAttribute);
  answer(*request, *value, room);
}

Task<void> FileSystem::listxattr(RequestPtr request, std::uint64_t node, std::size_t room) {
  auto id = inodeOf(node);
  auto inode = inodes_.find(id);
  std::string text;
  if (!inode || !inode->withoutAttributes) {
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
  if (!offered(name)) throw Error(Errc::notSupported);
  if (auto inode = inodes_.find(id)) inode->withoutAttributes = false;
  try {
    co_await cluster_->setXattr(id, std::move(name), std::move(value), static_cast<std::uint32_t>(flags), std::nullopt);
  } catch (const Error& error) {
    request->error(toXattrErrno(error.code()));
    co_return;
  }
  changes_.note(id);
  if (auto inode = inodes_.find(id)) inode->known = false;
  request->done();
}

Task<void> FileSystem::removexattr(RequestPtr request, std::uint64_t node, std::string name) {
  auto id = inodeOf(node);
  if (startsWith(name, kVirtual)) throw Error(Errc::notPermitted);
  if (!offered(name)) throw Error(Errc::notSupported);
  co_await cluster_->removeXattr(id, std::move(name));
  changes_.note(id);
  if (auto inode = inodes_.find(id)) inode->known = false;
  request->done();
}

}  // namespace vcfs::fuse
