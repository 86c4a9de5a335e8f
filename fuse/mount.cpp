#include "fuse/mount.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/base/log.h"
#include "fuse/file_system.h"
#include "fuse/session/device.h"
#include "fuse/session/session.h"

namespace vcfs::fuse {

namespace {

// Runs on the pool's thread.
int statMount(const std::string& path, dev_t& device) {
  struct stat root = {};
  if (::stat(path.c_str(), &root) != 0) return errno;
  device = root.st_dev;
  return 0;
}

void writeOne(const std::string& path) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] auto n = ::write(fd, "1", 1);
  ::close(fd);
}

}  // namespace

Mount::Mount(Runtime& runtime, std::shared_ptr<Cluster> cluster, MountSettings settings)
    : runtime_(runtime),
      settings_(std::move(settings)),
      cluster_(std::move(cluster)),
      pool_(makeThreadPool(runtime.io, "mount")),
      device_(std::make_unique<Device>()) {}

Mount::~Mount() {
  if (fileSystem_) fileSystem_->detach();
  // Unmounting wants answers that nobody gives any more once the session is gone, so the connection goes first.
  if (serving_ && !abortPath_.empty()) writeOne(abortPath_);
  session_.reset();
  pool_.reset();
  device_.reset();
}

Task<void> Mount::start() {
  device_->mount(settings_);
  session_ = std::make_unique<Session>(runtime_, settings_, device_->fd());
  fileSystem_ = std::make_shared<FileSystem>(runtime_, cluster_, settings_, *session_);
  session_->attach(fileSystem_);
  fileSystem_->listen();
  serving_ = true;
  runtime_.spawn("fuse.serve", serve());

  dev_t device = 0;
  auto look = [this, &device] { return statMount(settings_.mountPoint, device); };
  int error = co_await pool_->run(std::function<int()>(look));
  if (error != 0) {
    auto why = fmt::format("the mount at {} does not answer: {}", settings_.mountPoint, std::strerror(error));
    co_await stop(std::chrono::milliseconds(1000));
    throw Error(Errc::unavailable, why);
  }
  abortPath_ = fmt::format("/sys/fs/fuse/connections/{}/abort", minor(device));
  if (settings_.readAheadKb != 0) {
    std::string reason;
    auto set = [this, &reason] { return setReadAhead(settings_.mountPoint, settings_.readAheadKb, reason); };
    bool done = co_await pool_->run(std::function<bool()>(set));
    if (!done) log::warn("mount.read_ahead_not_set", {{"reason", reason}});
  }
  log::info("mount.started", {{"path", settings_.mountPoint}, {"source", settings_.source}});
}

Task<void> Mount::serve() {
  co_await session_->run();
  serving_ = false;
  device_->forgetMount();
  log::info("mount.ended", {{"path", settings_.mountPoint}});
  if (ended_) {
    auto ended = std::exchange(ended_, nullptr);
    ended();
  }
}

Task<void> Mount::tellReads(std::chrono::milliseconds limit) {
  if (fileSystem_) co_await fileSystem_->tellReadsNow(Duration(limit));
}

bool Mount::waitedLongEnough(TimePoint until) const { return runtime_.clock.now() >= until; }

Task<void> Mount::stop(std::chrono::milliseconds limit) {
  if (!serving_) co_return;
  auto unmount = [this] { return device_->unmount(); };
  auto how = co_await pool_->run(std::function<Device::Unmounted()>(unmount));
  if (how == Device::Unmounted::later) log::warn("mount.busy", {{"path", settings_.mountPoint}});
  auto until = runtime_.clock.now() + Duration(limit);
  while (serving_ && !waitedLongEnough(until)) co_await runtime_.clock.sleep(std::chrono::milliseconds(10));
  if (serving_ && !abortPath_.empty()) {
    auto abort = [this] { writeOne(abortPath_); };
    co_await pool_->run(std::function<void()>(abort));
    until = runtime_.clock.now() + std::chrono::seconds(1);
    while (serving_ && !waitedLongEnough(until)) co_await runtime_.clock.sleep(std::chrono::milliseconds(10));
  }
  if (serving_) session_->stop();
}

}  // namespace vcfs::fuse
