#include "cli/local/mounts.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <sstream>

#include "cli/local/files.h"
#include "cli/local/process.h"
#include "common/base/error.h"

namespace vcfs::cli {
namespace {

namespace fs = std::filesystem;

// Blanks and the like are written as \040.
std::string unescape(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      result += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

// False when the filesystem has no such attribute, or it was as wanted already.
bool setImmutable(const std::string& path, bool on) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  int flags = 0;
  if (fd.get() < 0 || ::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) != 0) return false;
  if (((flags & FS_IMMUTABLE_FL) != 0) == on) return false;
  flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
  return ::ioctl(fd.get(), FS_IOC_SETFLAGS, &flags) == 0;
}

bool uses(const fs::path& process, const std::string& mountPoint) {
  auto under = [&](const fs::path& link) {
    std::error_code error;
    std::string target = fs::read_symlink(link, error).string();
    return !error && (target == mountPoint || target.starts_with(mountPoint + "/"));
  };
  if (under(process / "cwd") || under(process / "root") || under(process / "exe")) return true;
  std::error_code error;
  for (fs::directory_iterator fd(process / "fd", error), end; !error && fd != end; fd.increment(error)) {
    if (under(fd->path())) return true;
  }
  return false;
}

}  // namespace

std::vector<MountEntry> parseMountInfo(const std::string& text) {
  std::vector<MountEntry> result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    auto separator = line.find(" - ");
    if (separator == std::string::npos) continue;
    std::istringstream left(line.substr(0, separator)), right(line.substr(separator + 3));
    int id = 0;
    std::string parent, device, root, mountPoint, type, source;
    left >> id >> parent >> device >> root >> mountPoint;
    right >> type >> source;
    result.push_back({unescape(mountPoint), type, unescape(source), id, unescape(root)});
  }
  return result;
}

std::vector<MountEntry> currentMounts() { return parseMountInfo(readFileIfThere("/proc/self/mountinfo").value_or("")); }

std::optional<MountEntry> mountAt(const std::string& mountPoint) {
  // The directory above it: looking at a mount point itself would ask the mounted filesystem, which may hang.
  fs::path path(mountPoint);
  std::error_code error;
  fs::path parent = fs::weakly_canonical(path.parent_path(), error);
  std::string place = error ? mountPoint : (parent / path.filename()).string();
  std::optional<MountEntry> last;
  for (auto& mount : currentMounts()) {
    if (mount.mountPoint == place) last = std::move(mount);
  }
  return last;
}

std::vector<MountMapping> vcfsMounts() {
  std::vector<MountMapping> result;
  for (const auto& mount : currentMounts()) {
    if (mount.type != "fuse.vcfs") continue;
    result.push_back({mount.mountPoint, directoryOfMount(mount.source, mount.root), mount.source});
  }
  return result;
}

void checkMountPoint(const std::string& path) {
  if (isMounted(path)) return;
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0 || S_ISDIR(st.st_mode)) return;
  throw Error(Errc::notDirectory,
              fmt::format("the mount point {} is not a directory: name another with --mount", path));
}

void makeMountPoint(const std::string& path) {
  checkMountPoint(path);
  struct stat st {};
  if (::lstat(path.c_str(), &st) == 0) return;
  if (errno != ENOENT) throw Error(fromErrno(errno), fmt::format("the mount point {}: {}", path, std::strerror(errno)));
  makeDirectories(fs::path(path).parent_path().string());
  if (::mkdir(path.c_str(), 0) != 0) {
    throw Error(fromErrno(errno), fmt::format("cannot make the mount point {}: {}", path, std::strerror(errno)));
  }
  setImmutable(path, true);
}

std::string removeMountPoint(const std::string& path) {
  if (auto there = mountAt(path)) return fmt::format("{} is mounted there (type {})", there->source, there->type);
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return errno == ENOENT ? "" : std::strerror(errno);
  if (!S_ISDIR(st.st_mode) || (st.st_mode & 07777) != 0) return "it is not one that `vcfs up` made";
  const bool wasImmutable = setImmutable(path, false);
  if (::rmdir(path.c_str()) == 0) return "";
  std::string why = std::strerror(errno);
  if (wasImmutable) setImmutable(path, true);
  return why;
}

std::vector<std::string> usersOf(const std::string& mountPoint) {
  std::vector<std::string> result;
  std::error_code error;
  for (fs::directory_iterator process("/proc", error), end; !error && process != end; process.increment(error)) {
    std::string pid = process->path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos || !uses(process->path(), mountPoint)) continue;
    std::string name;
    try {
      name = readFileIfThere("/proc/" + pid + "/comm").value_or("?");
    } catch (const Error&) {
      name = "?";
    }
    name.erase(name.find_last_not_of('\n') + 1);
    result.push_back(fmt::format("{} (pid {})", name, pid));
  }
  return result;
}

Unmounted unmount(const std::string& mountPoint, bool lazily, std::string& reason) {
  if (::umount2(mountPoint.c_str(), UMOUNT_NOFOLLOW | (lazily ? MNT_DETACH : 0)) == 0) return Unmounted::yes;
  if (errno == EINVAL || errno == ENOENT) return Unmounted::yes;  // not mounted (any more)
  reason = std::strerror(errno);
  return errno == EBUSY ? Unmounted::busy : Unmounted::failed;
}

std::string mountObstacle() {
  if (::geteuid() != 0)
    return "mounting needs root. Run it with sudo, or start the cluster without a mount: --no-mount";
  Fd fd(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (fd.get() < 0) {
    return fmt::format(
        "/dev/fuse: {}. Load the kernel's fuse module (modprobe fuse); in a container, give it the device (docker run "
        "--device /dev/fuse --cap-add SYS_ADMIN). Or start the cluster without a mount: --no-mount",
        std::strerror(errno));
  }
  if (findProgram("fusermount3").empty()) return "the package fuse3 is missing (apt-get install fuse3)";
  return "";
}

}  // namespace vcfs::cli
