#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <unordered_map>

#include "common/base/ids.h"

namespace vcfs::storage {

// Files whose replica this server removed, with the last epoch that it knew of each: who believes in that one, or an
// older, is sent to a tracker. Bounded: what was removed longest ago is forgotten first. Without I/O.
class RemovedReplicas {
 public:
  explicit RemovedReplicas(std::size_t capacity = 100'000) : capacity_(capacity) {}  // about 5 MB

  void note(InodeId inode, Epoch epoch) {
    if (epoch == 0) return;
    if (!epochs_.contains(inode)) order_.push_back(inode);
    epochs_[inode] = std::max(epochs_[inode], epoch);
    if (order_.size() <= capacity_) return;
    epochs_.erase(order_.front());
    order_.pop_front();
  }
  bool removedIn(InodeId inode, Epoch epoch) const {
    const auto at = epochs_.find(inode);
    return at != epochs_.end() && epoch <= at->second;
  }

 private:
  const std::size_t capacity_;
  std::unordered_map<InodeId, Epoch> epochs_;
  std::deque<InodeId> order_;
};

}  // namespace vcfs::storage
