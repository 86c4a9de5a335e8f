#include "storage/core/refused_writes.h"

namespace vcfs::storage {

std::optional<Error> RefusedWrites::refuses(const Mutation& write) const {
  if (refusals_.empty() || write.client == 0 || write.first == 0) return std::nullopt;
  const auto found = refusals_.find(write.client);
  if (found == refusals_.end()) return std::nullopt;
  const Refusal& refusal = found->second;
  const bool unaware = write.first <= refusal.sequence && refusal.sequence < write.sequence;
  if (!unaware || write.offset + write.data.size() <= refusal.offset) return std::nullopt;
  return refusal.error;
}

void RefusedWrites::note(const Mutation& write, std::uint64_t end, const Error& error) {
  if (write.client == 0 || !refusedByDisk(error.code()) || write.offset + write.data.size() <= end) return;
  auto [at, isNew] = refusals_.try_emplace(write.client, Refusal{write.sequence, write.offset, error});
  if (isNew) return;
  Refusal& refusal = at->second;
  // Those that were refused for another one's sake come from the same window.
  const bool follows = write.first != 0 && write.first <= refusal.sequence;
  refusal.offset = follows ? std::min(refusal.offset, write.offset) : write.offset;
  refusal.sequence = write.sequence;
  refusal.error = error;
}

void RefusedWrites::executed(const Mutation& write) {
  if (refusals_.empty()) return;
  const auto found = refusals_.find(write.client);
  if (found == refusals_.end()) return;
  const Refusal& refusal = found->second;
  const bool repeat = write.sequence <= refusal.sequence && write.offset <= refusal.offset;
  if (repeat || write.first > refusal.sequence) refusals_.erase(found);
}

}  // namespace vcfs::storage
