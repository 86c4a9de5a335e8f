#include "tracker/core/salvage.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace vcfs::tracker {

Salvage judgeLoss(const FileBefore& file, StorageId gone, const RemainsOn& remains, bool without) {
  Salvage result;
  const std::uint64_t most = file.sealed ? file.size : std::numeric_limits<std::uint64_t>::max();
  auto best = std::tuple<std::uint64_t, bool, std::int64_t>();  // how good: bytes, without gaps, mtime
  for (const Replica& replica : file.replicas) {
    if (replica.storage == gone) continue;
    if (replica.state == ReplicaState::inSync) {
      result = Salvage();
      result.fate = Fate::elsewhere;
      return result;
    }
    const auto found = remains.find(replica.storage);
    if (found == remains.end()) {
      result.unseen.push_back(replica.storage);
      continue;
    }
    const Remains& has = found->second;
    const std::uint64_t size = std::min(has.size, most);
    // A copy that had just begun is as long as the file as soon as somebody writes to its end.
    const std::uint64_t bytes = size > 0 && has.gaps ? std::clamp<std::uint64_t>(has.allocated, 1, size) : size;
    const auto good = std::make_tuple(bytes, !has.gaps, has.mtimeNs);
    if (result.source != 0 && good <= best) continue;
    result.source = replica.storage;
    result.size = size;
    result.gaps = has.gaps;
    best = good;
  }
  const bool nothingToLose = file.sealed && file.size == 0;
  const bool allSeen = without || result.unseen.empty();
  if (nothingToLose || (allSeen && result.size > 0)) {
    result.fate = Fate::kept;
    return result;
  }
  result.source = 0;
  result.size = 0;
  result.gaps = false;
  result.fate = allSeen ? Fate::lost : Fate::waits;
  return result;
}

ReplicaSet afterLoss(const ReplicaSet& replicas, StorageId gone, StorageId source, std::vector<StorageId>& dropped) {
  ReplicaSet next;
  if (source != 0) next.push_back(Replica{source, ReplicaState::inSync, {}});
  for (const Replica& replica : replicas) {
    if (replica.storage == gone || replica.storage == source) continue;
    if (source == 0) {
      dropped.push_back(replica.storage);
    } else {
      next.push_back(Replica{replica.storage, ReplicaState::stale, {}});
    }
  }
  return next;
}

}  // namespace vcfs::tracker
