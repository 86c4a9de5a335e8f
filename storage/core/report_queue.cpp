#include "storage/core/report_queue.h"

#include <algorithm>
#include <utility>

namespace vcfs::storage {

void ReportQueue::noteClosing(InodeId inode) {
  files_.insert(inode);
  urgent_.insert(inode);
}

void ReportQueue::forget(InodeId inode) {
  files_.erase(inode);
  urgent_.erase(inode);
}

void ReportQueue::remove(InodeId inode) {
  forget(inode);
  heard_.erase(inode);
  settling_.erase(inode);
}

bool ReportQueue::heardClosing(InodeId inode) {
  forget(inode);
  if (heard() >= kMostHeard) return false;
  heard_.insert(inode);
  return true;
}

bool ReportQueue::beginSettling() {
  settling_ = std::exchange(heard_, {});
  return !settling_.empty();
}

std::vector<InodeId> ReportQueue::endSettling(bool stable) {
  std::set<InodeId> ended = std::exchange(settling_, {});
  if (!stable) {
    heard_.merge(ended);
    return {};
  }
  std::erase_if(ended, [this](InodeId inode) { return waits(inode); });
  return {ended.begin(), ended.end()};
}

void ReportQueue::tellHeardAgain() {
  endSettling(false);
  for (InodeId inode : std::exchange(heard_, {})) noteClosing(inode);
}

std::vector<InodeId> ReportQueue::next(bool all) {
  const auto& from = all ? files_ : urgent_;
  std::vector<InodeId> due;
  auto at = from.upper_bound(cursor_);
  for (std::size_t i = 0; i < from.size() && due.size() < kPerCall; ++i) {
    if (at == from.end()) at = from.begin();
    due.push_back(*at++);
  }
  if (!due.empty()) cursor_ = due.back();
  return due;
}

std::vector<InodeId> ReportQueue::first(std::size_t most) const {
  const auto count = static_cast<std::ptrdiff_t>(std::min(most, files_.size()));
  return {files_.begin(), std::next(files_.begin(), count)};
}

std::optional<InodeId> ReportQueue::takeResend() {
  if (resend_.empty()) return std::nullopt;
  return resend_.extract(resend_.begin()).value();
}

}  // namespace vcfs::storage
