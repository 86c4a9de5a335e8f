#include "storage/store/filesystem_info.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace vcfs::storage {

namespace {

bool covers(const std::string& point, const std::string& path) {
  if (point == "/") return true;
  return path.starts_with(point) && (path.size() == point.size() || path[point.size()] == '/');
}

}  // namespace

FilesystemInfo filesystemIn(const std::string& mounts, const std::string& path) {
  FilesystemInfo info;
  std::size_t longest = 0;
  std::istringstream lines(mounts);
  for (std::string line; std::getline(lines, line);) {
    // 36 35 98:0 /root /mount-point options optional… - type source super-options
    std::istringstream words(line);
    std::string skip, point, options, type;
    words >> skip >> skip >> skip >> skip >> point >> options;
    while (words >> skip && skip != "-") {
    }
    words >> type;
    // A later mount on the same point hides the earlier one.
    if (type.empty() || !covers(point, path) || point.size() < longest) continue;
    longest = point.size();
    info.type = type;
    info.options = options;
  }
  return info;
}

FilesystemInfo filesystemOf(const std::string& directory) {
  std::error_code error;
  const auto path = std::filesystem::canonical(directory, error);
  if (error) return {};
  std::ifstream file("/proc/self/mountinfo");
  std::ostringstream text;
  text << file.rdbuf();
  return filesystemIn(text.str(), path.string());
}

}  // namespace vcfs::storage
