#include "client/src/name_log.h"

#include "client/src/tracker_call.h"

namespace vcfs::client {

void NameLog::changed(InodeId inode) {
  if (changed_.size() >= kRemembered) {
    changed_.clear();
    forgotAt_ = clock_;
  }
  changed_[inode] = ++clock_;
}

Task<void> NameLog::sync(InodeId inode) {
  if (!forgotAt_ && changed_.count(inode) == 0) co_return;
  co_await syncAll();
}

Task<void> NameLog::syncAll() {
  auto core = core_;
  const std::uint64_t upTo = clock_;
  co_await ask(*core, &Tracker::syncNamesRequest);
  // Not before: who asks meanwhile must wait too.
  if (forgotAt_ && *forgotAt_ <= upTo) forgotAt_.reset();
  std::erase_if(changed_, [&](const auto& entry) { return entry.second <= upTo; });
}

}  // namespace vcfs::client
