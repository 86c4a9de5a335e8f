#include "cli/core/store_path.h"

#include "cli/core/usage_error.h"

namespace vcfs::cli {
namespace {

std::string normalise(const std::string& path) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < path.size();) {
    auto end = std::min(path.find('/', at), path.size());
    std::string part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(std::move(part));
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  std::string result;
  for (const auto& part : parts) result += "/" + part;
  return result.empty() ? "/" : result;
}

bool isUnder(const std::string& path, const std::string& directory) {
  return path == directory || directory == "/" ||
         (path.starts_with(directory) && path.size() > directory.size() && path[directory.size()] == '/');
}

}  // namespace

std::string storePath(const std::string& typed, const std::vector<MountMapping>& mounts) {
  if (typed.empty()) throw UsageError("an empty path: name a file of the store, for example /user/meeting.mp4");
  if (typed.find('\0') != std::string::npos) throw UsageError("a path may not have a NUL in it");
  std::string path = normalise(typed);
  const MountMapping* mount = mountOf(typed, mounts);
  return mount ? normalise(mount->subdir + "/" + path.substr(mount->mountPoint.size())) : path;
}

const MountMapping* mountOf(const std::string& typed, const std::vector<MountMapping>& mounts) {
  if (!typed.starts_with('/')) return nullptr;
  const std::string path = normalise(typed);
  const MountMapping* best = nullptr;
  for (const auto& mount : mounts) {
    if (mount.mountPoint == "/" || !isUnder(path, mount.mountPoint)) continue;
    if (!best || mount.mountPoint.size() >= best->mountPoint.size()) best = &mount;
  }
  return best;
}

std::pair<std::string, std::string> splitPath(const std::string& path) {
  auto slash = path.rfind('/');
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

std::string directoryOfMount(const std::string& source, const std::string& root) {
  auto at = source.find(":/");
  return normalise((at == std::string::npos ? "/" : source.substr(at + 1)) + "/" + root);
}

}  // namespace vcfs::cli
