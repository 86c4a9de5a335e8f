#pragma once

#include <optional>
#include <unordered_map>

#include "client/src/core.h"

namespace vcfs::client {

// Remembers of which inodes this client changed a name or an attribute in the catalog, and that is not known to be on
// stable storage: so fsync() of a file makes all of it durable without asking a tracker each time. What is written
// changes nothing in the catalog. Loop thread only.
class NameLog {
 public:
  explicit NameLog(std::shared_ptr<Core> core) : core_(std::move(core)) {}

  void changed(InodeId inode);
  // Tracker.syncNames when what was changed of this inode is not durable yet.
  Task<void> sync(InodeId inode);
  // Tracker.syncNames in any case.
  Task<void> syncAll();

 private:
  static constexpr std::size_t kRemembered = 100'000;

  std::shared_ptr<Core> core_;
  std::unordered_map<InodeId, std::uint64_t> changed_;  // inode → when
  std::uint64_t clock_ = 0;
  std::optional<std::uint64_t> forgotAt_;  // there were too many then: every inode may be one of them
};

}  // namespace vcfs::client
