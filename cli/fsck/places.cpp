#include "cli/fsck/places.h"

namespace vcfs::cli::fsck {

namespace {

constexpr std::size_t kPathsPerCall = 100;

}  // namespace

Task<std::map<InodeId, Place>> placesOf(Sources& sources, std::set<InodeId> inodes, std::function<bool()> late) {
  std::map<InodeId, Place> places;
  InodeId parent = 0;
  std::string name;
  for (bool more = !inodes.empty(); more;) {
    if (late && late()) throw Error(Errc::timeout, "there are too many names");
    const NamesPage page = co_await sources.names(parent, name);
    more = page.more;
    for (const Name& entry : page.names) {
      parent = entry.parent;
      name = entry.name;
      if (inodes.contains(entry.inode)) places[entry.inode] = Place{entry.parent, entry.name};
    }
  }
  co_return places;
}

Task<std::map<InodeId, std::string>> pathsOf(Sources& sources, std::set<InodeId> directories) {
  const std::vector<InodeId> list(directories.begin(), directories.end());
  std::map<InodeId, std::string> paths;
  for (std::size_t at = 0; at < list.size(); at += kPathsPerCall) {
    const std::vector<InodeId> batch(
        list.begin() + static_cast<std::ptrdiff_t>(at),
        list.begin() + static_cast<std::ptrdiff_t>(std::min(at + kPathsPerCall, list.size())));
    const std::vector<std::string> found = co_await sources.paths(batch);
    for (std::size_t i = 0; i < batch.size() && i < found.size(); ++i) paths[batch[i]] = found[i];
  }
  co_return paths;
}

}  // namespace vcfs::cli::fsck
