#pragma once

#include <string>

namespace vcfs::storage {

// The filesystem that a directory lies on, from /proc/self/mountinfo; empty where that cannot be told.
struct FilesystemInfo {
  std::string type;     // "ext4"
  std::string options;  // "rw,noatime", of the mount point and of the filesystem; "ro" when either is
};
FilesystemInfo filesystemOf(const std::string& directory);

// For tests: `mounts` as /proc/self/mountinfo writes it, `path` absolute and without links.
FilesystemInfo filesystemIn(const std::string& mounts, const std::string& path);

}  // namespace vcfs::storage
