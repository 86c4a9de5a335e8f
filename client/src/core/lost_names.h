#pragma once

#include <deque>
#include <unordered_set>

#include "common/base/ids.h"
#include "common/runtime/clock.h"

namespace vcfs::client {

// Inodes that were told to have lost their last name a moment ago: who had looked one up before that may be about to
// open it.
class LostNames {
 public:
  static constexpr Duration kRemembered = std::chrono::seconds(60);
  static constexpr std::size_t kMost = 10'000;  // then the oldest go

  void told(InodeId inode, TimePoint now) {
    forget(now);
    if (!inodes_.insert(inode).second) return;
    order_.push_back({inode, now + kRemembered});
    if (order_.size() > kMost) dropOldest();
  }
  bool has(InodeId inode, TimePoint now) {
    forget(now);
    return inodes_.contains(inode);
  }

 private:
  struct Told {
    InodeId inode;
    TimePoint until;
  };
  void forget(TimePoint now) {
    while (!order_.empty() && order_.front().until <= now) dropOldest();
  }
  void dropOldest() {
    inodes_.erase(order_.front().inode);
    order_.pop_front();
  }

  std::deque<Told> order_;
  std::unordered_set<InodeId> inodes_;
};

}  // namespace vcfs::client
