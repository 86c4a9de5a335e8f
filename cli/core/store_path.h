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
  std::string source;      // what it is mounted from; "": where a cluster is mounted when it is
};

// "user/file", "/user//file" and "/mnt/vcstore/user/file" (under a mount) all become "/user/file". "." and ".." are
// resolved by their letters. Throws UsageError for an empty path and for one with a NUL in it.
// The mounts must be of the cluster that is meant.
std::string storePath(const std::string& typed, const std::vector<MountMapping>& mounts);

// The mount under which a typed path lies: the innermost, of those at one place the last. nullptr: it is in the store.
const MountMapping* mountOf(const std::string& typed, const std::vector<MountMapping>& mounts);

// "/a/b" → {"/a", "b"}. Not for "/".
std::pair<std::string, std::string> splitPath(const std::string& path);

// The directory of the store that is mounted: the one in the source "host:port,host:port:/sub" ("/" when there is
// none), and in that the `root` of a bind mount.
std::string directoryOfMount(const std::string& source, const std::string& root);

}  // namespace vcfs::cli
