#include "mount-helpers/mount_point.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include <spdlog/fmt/fmt.h>

#include "common/base/error.h"

namespace vcfs::mounting {

namespace {

// mountinfo writes blanks, tabs, newlines and backslashes as three octal digits.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

}  // namespace

bool isVcfsMounted(std::string_view mountinfo, const std::string& path) {
  std::istringstream lines{std::string(mountinfo)};
  std::string line;
  bool found = false;
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string id, parent, device, root, target, word, type;
    if (!(fields >> id >> parent >> device >> root >> target) || unescape(target) != path) continue;
    while (fields >> word && word != "-") {
    }
    fields >> type;
    found = type == "fuse.vcfs";  // a later line lies on top of an earlier one
  }
  return found;
}

std::string checkMountPoint(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) {
    int error = errno;
    if (error == ENOENT) {
      throw Error(Errc::notFound, fmt::format("mount point {} does not exist; make it with `mkdir -p {}`", path, path));
    }
    if (error == ENOTCONN) {
      throw Error(
          Errc::exists,
          fmt::format("a mount whose process is gone is in the way at {}; remove it with `umount -l {}`", path, path));
    }
    throw Error(fromErrno(error), fmt::format("mount point {}: {}", path, std::strerror(error)));
  }
  if (!S_ISDIR(info.st_mode)) throw Error(Errc::notDirectory, fmt::format("mount point {} is not a directory", path));
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) throw Error(fromErrno(errno), fmt::format("mount point {}: {}", path, std::strerror(errno)));
  std::string absolute = real;
  std::free(real);
  std::ifstream file("/proc/self/mountinfo");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (isVcfsMounted(text, absolute)) {
    throw Error(Errc::exists,
                fmt::format("a vcfs is mounted on {} already; unmount it first with `umount {}`", absolute, absolute));
  }
  return absolute;
}

}  // namespace vcfs::mounting
