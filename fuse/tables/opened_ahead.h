#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>

#include "common/runtime/clock.h"
#include "fuse/policy/io_mode.h"
#include "vcfs/file.h"

namespace vcfs::fuse {

// Small files that were opened for reading before the kernel asked, because those before them in a listing are being
// opened in its order: their bytes are here, or on their way, when it does. Whoever uses it drops a file as soon as
// anything about it changes. Bounded in number and, by expire(), in time. Loop thread only.
class OpenedAhead {
 public:
  static constexpr std::uint64_t kLargest = 16u << 10;  // bytes of a file
  static constexpr Duration kKept = std::chrono::seconds(3);

  explicit OpenedAhead(std::size_t capacity = 1024) : capacity_(capacity) {}

  void add(InodeId inode, PageVersion version, std::shared_ptr<File> file, TimePoint now) {
    files_[inode] = Opened{version, std::move(file), now};
    order_.emplace_back(inode, now);
    while (files_.size() > capacity_ || order_.size() > 2 * capacity_) dropOldest();
  }
  // The file, if it is of this version; it is not here any more then.
  std::shared_ptr<File> take(InodeId inode, const PageVersion& version) {
    auto at = files_.find(inode);
    if (at == files_.end()) return nullptr;
    auto found = std::move(at->second);
    files_.erase(at);
    return found.version == version ? std::move(found.file) : nullptr;
  }
  bool contains(InodeId inode) const { return files_.contains(inode); }
  void drop(InodeId inode) { files_.erase(inode); }
  void clear() {
    files_.clear();
    order_.clear();
  }
  // Drops what has been waiting for too long.
  void expire(TimePoint now) {
    while (!order_.empty() && now - order_.front().second >= kKept) dropOldest();
  }
  std::size_t size() const { return files_.size(); }
  bool empty() const { return order_.empty(); }

 private:
  struct Opened {
    PageVersion version;
    std::shared_ptr<File> file;
    TimePoint when;
  };
  void dropOldest() {
    auto [inode, when] = order_.front();
    order_.pop_front();
    auto at = files_.find(inode);
    if (at != files_.end() && at->second.when == when) files_.erase(at);
  }

  const std::size_t capacity_;
  std::unordered_map<InodeId, Opened> files_;
  std::deque<std::pair<InodeId, TimePoint>> order_;  // oldest first; some are gone already
};

}  // namespace vcfs::fuse
