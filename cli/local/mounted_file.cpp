#include "cli/local/mounted_file.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include <charconv>

#include "cli/local/files.h"
#include "cli/local/mounts.h"

namespace vcfs::cli {
namespace {

std::optional<InodeId> inodeOf(const std::string& path) {
  char text[16];
  if (::getxattr(path.c_str(), "user.vcfs.id", text, sizeof text) != sizeof text) return std::nullopt;
  InodeId inode = 0;
  auto [end, error] = std::from_chars(text, text + sizeof text, inode, 16);
  if (error != std::errc() || end != text + sizeof text) return std::nullopt;
  return inode;
}

// The number of the mount through which a file was opened.
int mountId(int fd) {
  const std::string info = readFileIfThere("/proc/self/fdinfo/" + std::to_string(fd)).value_or("");
  const std::string key = "mnt_id:";
  const auto at = info.find(key);
  return at == std::string::npos ? 0 : std::atoi(info.c_str() + at + key.size());
}

}  // namespace

std::optional<MountedFile> mountedFile(const std::string& path) {
  Fd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (fd.get() < 0) return std::nullopt;
  auto inode = inodeOf("/proc/self/fd/" + std::to_string(fd.get()));
  if (!inode) return std::nullopt;
  MountedFile file{*inode, ""};
  const int id = mountId(fd.get());
  for (const auto& mount : currentMounts()) {
    if (mount.id == id && mount.type == "fuse.vcfs") file.source = mount.source;
  }
  return file;
}

}  // namespace vcfs::cli
