#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/core/store_path.h"

// Mounts of this machine. Blocking. Nothing here touches the mounted filesystem itself: it may hang.
namespace vcfs::cli {

struct MountEntry {
  std::string mountPoint, type, source;
  int id = 0;              // unique among the mounts that there are
  std::string root = "/";  // what of the filesystem is to be seen there; a part of it with a bind mount
};

// The text of /proc/self/mountinfo.
std::vector<MountEntry> parseMountInfo(const std::string& text);
std::vector<MountEntry> currentMounts();
// The last mount at this place, if any. Links on the way to the mount point are followed, as mount(2) does.
std::optional<MountEntry> mountAt(const std::string& mountPoint);
inline bool isMounted(const std::string& mountPoint) { return mountAt(mountPoint).has_value(); }
// Every vcfs mount of this machine, for paths that people type.
std::vector<MountMapping> vcfsMounts();

// Makes a mount point that is absent: nobody may write into it (mode 000 and, where the filesystem knows it, the
// immutable attribute, which stops root too), so that a recorder fails loudly when the store is not mounted. One that
// is there is left as it is. Throws Error.
void makeMountPoint(const std::string& path);
// Throws as makeMountPoint() would for what is in its place; makes nothing.
void checkMountPoint(const std::string& path);
// Takes back what makeMountPoint() made (a directory without permissions) when it is empty and nothing is mounted
// there. "" when it is gone, else why it stays.
std::string removeMountPoint(const std::string& path);

// "ffmpeg (pid 4711)", for every process that has something open under the mount point.
std::vector<std::string> usersOf(const std::string& mountPoint);

enum class Unmounted { yes, busy, failed };
Unmounted unmount(const std::string& mountPoint, bool lazily, std::string& reason);

// Why a FUSE filesystem cannot be mounted by this process here; "" when it can.
std::string mountObstacle();

}  // namespace vcfs::cli
