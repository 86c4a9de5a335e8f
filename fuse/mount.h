#pragma once

#include <functional>
#include <memory>

#include "common/runtime/blocking_pool.h"
#include "common/runtime/runtime.h"
#include "fuse/mount_settings.h"
#include "vcfs/cluster.h"

namespace vcfs::fuse {

class Device;
class FileSystem;
class Session;

// A mounted store: from start() to stop(), or until somebody else unmounts it. Loop thread only.
class Mount {
 public:
  Mount(Runtime& runtime, std::shared_ptr<Cluster> cluster, MountSettings settings);
  ~Mount();

  // Mounts, serves, and returns when the mount has answered a stat. Throws Error with the reason; nothing is left
  // mounted.
  Task<void> start();
  // `ended` is called, once, from the loop, when the kernel has let go of the mount: unmounted by us or by somebody
  // else.
  void onEnded(std::function<void()> ended) { ended_ = std::move(ended); }
  // Unmounts and waits until every request is answered, at most `limit` when programs still use the mount (they then
  // see errors).
  Task<void> stop(std::chrono::milliseconds limit);
  // Tells a tracker what was read and is not told yet. For after the end, before the cluster is let go.
  Task<void> tellReads(std::chrono::milliseconds limit);
  const FileSystem& fileSystem() const { return *fileSystem_; }

 private:
  Task<void> serve();
  bool waitedLongEnough(TimePoint until) const;

  Runtime& runtime_;
  const MountSettings settings_;
  std::shared_ptr<Cluster> cluster_;
  std::unique_ptr<BlockingPool> pool_;  // for what the kernel answers only with our help: stat, umount
  std::unique_ptr<Device> device_;
  std::unique_ptr<Session> session_;
  std::shared_ptr<FileSystem> fileSystem_;
  std::function<void()> ended_;
  std::string abortPath_;  // in /sys: ends the kernel's connection whatever its users do
  bool serving_ = false;
};

}  // namespace vcfs::fuse
