#pragma once

#include <optional>
#include <unordered_map>

#include "client/src/core.h"

namespace vcfs::client {

// Remembers which inodes got a name here that is not known to be on stable storage, so that fsync() of a file makes its
// name durable too without asking a tracker each time. Loop thread only.
class NameLog {
 public:
  explicit NameLog(std::shared_ptr<Core> core) : core_(std::move(core)) {}

  void named(InodeId inode);
  // Tracker.syncNames when this inode's name is not durable yet.
  Task<void> sync(InodeId inode);
  // Tracker.syncNames in any case.
  Task<void> syncAll();

 private:
  static constexpr std::size_t kRemembered = 100'000;

  std::shared_ptr<Core> core_;
  std::unordered_map<InodeId, std::uint64_t> changed_;  // inode → when
  std::uint64_t clock_ = 0;
  std::optional<std::uint64_t> forgotAt_;  // there were too many then: every inode may have a new name
};

}  // namespace vcfs::client
