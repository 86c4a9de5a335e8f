#pragma once

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <utility>

#include "common/base/ids.h"
#include "common/runtime/clock.h"

namespace vcfs::fuse {

// Which inodes' attributes the kernel is asking for. While it does, and until its caller has taken the answer up, it
// must not be told to forget them: it would throw the answer away, and check permissions against the mode it knew
// before. Loop thread only.
class Questions {
 public:
  // From an answer until who asked has taken it up: it has to be woken for that, on a busy machine after others.
  static constexpr Duration kTakenUp = std::chrono::milliseconds(20);

  explicit Questions(std::size_t capacity = 1024) : capacity_(capacity) {}

  void asked(InodeId inode) { ++underWay_[inode]; }
  void answered(InodeId inode, TimePoint now) {
    if (auto at = underWay_.find(inode); --at->second == 0) underWay_.erase(at);
    while (!recent_.empty() && (recent_.size() >= capacity_ || now - recent_.front().second >= kTakenUp)) {
      auto [oldest, when] = recent_.front();
      recent_.pop_front();
      if (auto at = latest_.find(oldest); at != latest_.end() && at->second == when) latest_.erase(at);
    }
    recent_.emplace_back(inode, now);
    latest_[inode] = now;
  }

  bool underWay(InodeId inode) const { return underWay_.contains(inode); }
  // How long an answer that was given may not have been taken up.
  Duration pending(InodeId inode, TimePoint now) const {
    auto at = latest_.find(inode);
    return at == latest_.end() ? Duration(0) : std::max(Duration(0), kTakenUp - (now - at->second));
  }

 private:
  const std::size_t capacity_;
  std::unordered_map<InodeId, unsigned> underWay_;
  std::unordered_map<InodeId, TimePoint> latest_;  // answers of late
  std::deque<std::pair<InodeId, TimePoint>> recent_;
};

}  // namespace vcfs::fuse
