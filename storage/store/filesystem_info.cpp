#include "storage/store/filesystem_info.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace vcfs::storage {

namespace {

bool covers(const std::string& point, const std::string& path) {
  if (point == "/") return true;
  return path.starts_with(point) && (path.size() == point.size() || path[point.size()] == '/');
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

// As /proc/mounts has it. A kernel that met errors makes the filesystem read-only, not the mount point.
std::string merged(const std::string& ofMount, const std::string& ofFilesystem) {
  bool readOnly = false;
  std::string rest;
  for (const std::string& option : split(ofMount + "," + ofFilesystem)) {
    readOnly = readOnly || option == "ro";
    const bool known = ("," + rest + ",").find("," + option + ",") != std::string::npos;
    if (!known && option != "ro" && option != "rw") rest += (rest.empty() ? "" : ",") + option;
  }
  return (readOnly ? "ro" : "rw") + (rest.empty() ? "" : "," + rest);
}

}  // namespace

FilesystemInfo filesystemIn(const std::string& mounts, const std::string& path) {
  FilesystemInfo info;
  std::size_t longest = 0;
  std::istringstream lines(mounts);
  for (std::string line; std::getline(lines, line);) {
    // 36 35 98:0 /root /mount-point options optional… - type source super-options
    std::istringstream words(line);
    std::string skip, point, options, type, source, ofFilesystem;
    words >> skip >> skip >> skip >> skip >> point >> options;
    while (words >> skip && skip != "-") {
    }
    words >> type >> source >> ofFilesystem;
    // A later mount on the same point hides the earlier one.
    if (type.empty() || !covers(point, path) || point.size() < longest) continue;
    longest = point.size();
    info.type = type;
    info.options = merged(options, ofFilesystem);
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
