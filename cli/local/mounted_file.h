#pragma once

#include <optional>
#include <string>

#include "common/base/ids.h"

namespace vcfs::cli {

// A file of some store, as this machine sees it through a mount.
struct MountedFile {
  InodeId inode = 0;
  std::string source;  // of the mount; "" when that is no vcfs mount (but perhaps an overlay above one) or out of sight
};

// What a path of this machine leads to, if it is that. Blocking, and asks the mounted filesystem.
std::optional<MountedFile> mountedFile(const std::string& path);

}  // namespace vcfs::cli
