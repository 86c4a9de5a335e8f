#include "fuse/session/device.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <spdlog/fmt/fmt.h>

#include "common/base/error.h"

namespace vcfs::fuse {

namespace {

int openDevice() {
  int fd = ::open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd >= 0) return fd;
  if (errno == ENOENT || errno == ENODEV || errno == ENXIO) {
    throw Error(Errc::notFound,
                "/dev/fuse does not exist: load the kernel module with `modprobe fuse` (in a container: start it with "
                "`--device /dev/fuse --cap-add SYS_ADMIN`)");
  }
  throw Error(fromErrno(errno), fmt::format("cannot open /dev/fuse: {}", std::strerror(errno)));
}

std::string kernelOptions(const MountSettings& settings, int fd) {
  auto text = fmt::format("fd={},rootmode=40000,user_id={},group_id={},default_permissions,max_read={}", fd, ::getuid(),
                          ::getgid(), settings.maxTransfer);
  if (settings.allowOther) text += ",allow_other";
  return text;
}

// Of what is mounted there last. Asks nobody: the mounted filesystem may not answer yet, or no more.
std::uint64_t mountIdAt(const std::string& path) {
  struct statx st = {};
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
  if (::statx(AT_FDCWD, path.c_str(), flags, STATX_MNT_ID, &st) != 0 || (st.stx_mask & STATX_MNT_ID) == 0) return 0;
  return st.stx_mnt_id;
}

}  // namespace

Device::~Device() {
  unmount();
  close();
}

void Device::mount(const MountSettings& settings) {
  fd_ = openDevice();
  auto options = kernelOptions(settings, fd_);
  auto flags = settings.mountFlags | (settings.readOnly ? static_cast<unsigned long>(MS_RDONLY) : 0UL);
  if (::mount(settings.source.c_str(), settings.mountPoint.c_str(), "fuse.vcfs", flags, options.c_str()) != 0) {
    int error = errno;
    close();
    if (error == EPERM) {
      throw Error(Errc::notPermitted,
                  "only root may mount: run it with sudo (in a container: with --cap-add SYS_ADMIN)");
    }
    throw Error(fromErrno(error), fmt::format("cannot mount on {}: {}", settings.mountPoint, std::strerror(error)));
  }
  mountPoint_ = settings.mountPoint;
  mountId_ = mountIdAt(mountPoint_);
  mounted_ = true;
}

bool Device::onTop() const { return mountId_ == 0 || mountIdAt(mountPoint_) == mountId_; }

Device::Unmounted Device::unmount() {
  if (!mounted_.exchange(false) || !onTop()) return Unmounted::wasNot;
  if (::umount2(mountPoint_.c_str(), UMOUNT_NOFOLLOW) == 0) return Unmounted::yes;
  if (errno != EBUSY) return Unmounted::wasNot;
  return ::umount2(mountPoint_.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) == 0 ? Unmounted::later : Unmounted::wasNot;
}

void Device::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool setReadAhead(const std::string& mountPoint, std::uint32_t kilobytes, std::string& reason) {
  struct stat root = {};
  if (::stat(mountPoint.c_str(), &root) != 0) {
    reason = fmt::format("stat {}: {}", mountPoint, std::strerror(errno));
    return false;
  }
  auto path = fmt::format("/sys/class/bdi/{}:{}/read_ahead_kb", major(root.st_dev), minor(root.st_dev));
  int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  auto text = std::to_string(kilobytes);
  bool done = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!done) reason = fmt::format("{}: {}", path, std::strerror(errno));
  if (fd >= 0) ::close(fd);
  return done;
}

}  // namespace vcfs::fuse
