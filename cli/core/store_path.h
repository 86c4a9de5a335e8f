#pragma once

#include <string>
#include <utility>
#include <vector>

// Paths in the store as people type them. Decisions only, no I/O.
namespace vcfs::cli {

// A directory of this machine where (a directory of) the store is mounted.
struct MountMapping {
  std::string mountPoint;  // absolute, normal
  std::string subdir;      // of the store, "/" for all of it
};

// "user/file", "/user//file" and "/mnt/vcstore/user/file" (under a mount) all become "/user/file". "." and ".." are
// resolved by their letters. Throws UsageError for an empty path and for one with a NUL in it.
std::string storePath(const std::string& typed, const std::vector<MountMapping>& mounts);

// "/a/b" → {"/a", "b"}. Not for "/".
std::pair<std::string, std::string> splitPath(const std::string& path);

// The subdirectory in a mount's source "host:port,host:port:/sub"; "/" when there is none.
std::string subdirOfSource(const std::string& source);

}  // namespace vcfs::cli
