#include "tracker/core/trash_ledger.h"

namespace vcfs::tracker {

void TrashLedger::add(std::int64_t dueNs, StorageId storage, std::uint64_t bytes) {
  due_[(dueNs / widthNs_ + 1) * widthNs_][storage] += bytes;
}

std::map<StorageId, std::uint64_t> TrashLedger::outstanding(std::int64_t nowNs) {
  due_.erase(due_.begin(), due_.upper_bound(nowNs));
  std::map<StorageId, std::uint64_t> sum;
  for (const auto& [end, servers] : due_) {
    for (const auto& [storage, bytes] : servers) sum[storage] += bytes;
  }
  return sum;
}

}  // namespace vcfs::tracker
