#include "client/src/name_log.h"

namespace vcfs::client {

void NameLog::named(InodeId inode) {
  if (changed_.size() >= kRemembered) {
    changed_.clear();
    forgot_ = true;
  }
  changed_[inode] = ++clock_;
}

Task<void> NameLog::sync(InodeId inode) {
  if (!forgot_ && changed_.count(inode) == 0) co_return;
  co_await syncAll();
}

Task<void> NameLog::syncAll() {
  auto core = core_;
  const std::uint64_t upTo = clock_;
  const bool forgot = std::exchange(forgot_, false);
  auto build = [](schema::Tracker::Client& tracker) { return tracker.syncNamesRequest().send(); };
  try {
    co_await core->trackers->call(build);
  } catch (...) {
    forgot_ = forgot_ || forgot;
    throw;
  }
  std::erase_if(changed_, [&](const auto& entry) { return entry.second <= upTo; });
}

}  // namespace vcfs::client
