#include "tracker/core/trash_ledger.h"

#include <algorithm>

namespace vcfs::tracker {

void TrashLedger::add(std::int64_t dueNs, StorageId storage, std::uint64_t bytes, std::int64_t nowNs) {
  sum_[storage] += bytes;
  if (dueNs < nowNs) return;
  const std::int64_t due = std::min(dueNs, nowNs + kMostSpans * widthNs_);
  const std::int64_t end = (due / widthNs_ + 1) * widthNs_ + lingerNs_;
  due_[end][storage] += bytes;
}

const std::map<StorageId, std::uint64_t>& TrashLedger::outstanding(std::int64_t nowNs) {
  const auto over = due_.upper_bound(nowNs);
  for (auto entry = due_.begin(); entry != over; entry = due_.erase(entry)) {
    for (const auto& [storage, bytes] : entry->second) {
      const auto sum = sum_.find(storage);
      sum->second -= bytes;
      if (sum->second == 0) sum_.erase(sum);
    }
  }
  return sum_;
}

}  // namespace vcfs::tracker
