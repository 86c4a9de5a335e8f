#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>

#include "common/base/ids.h"

namespace vcfs::fuse {

// Which inodes changed lately, so that an answer that was under way while its subject changed is not cached. Remembers
// a bounded number of changes; what is older counts as changed.
class ChangeLog {
 public:
  explicit ChangeLog(std::size_t capacity = 8192) : capacity_(capacity) {}

  std::uint64_t now() const { return sequence_; }
  void note(InodeId inode) {
    latest_[inode] = ++sequence_;
    order_.emplace_back(inode, sequence_);
    if (order_.size() > capacity_) dropOldest();
  }
  void noteEverything() {
    latest_.clear();
    order_.clear();
    forgotten_ = ++sequence_;
  }
  bool changedSince(InodeId inode, std::uint64_t since) const {
    if (since < forgotten_) return true;
    auto at = latest_.find(inode);
    return at != latest_.end() && at->second > since;
  }

 private:
  void dropOldest() {
    auto [inode, sequence] = order_.front();
    order_.pop_front();
    forgotten_ = sequence;
    auto at = latest_.find(inode);
    if (at != latest_.end() && at->second == sequence) latest_.erase(at);
  }

  const std::size_t capacity_;
  std::uint64_t sequence_ = 0;
  std::uint64_t forgotten_ = 0;
  std::unordered_map<InodeId, std::uint64_t> latest_;
  std::deque<std::pair<InodeId, std::uint64_t>> order_;
};

}  // namespace vcfs::fuse
