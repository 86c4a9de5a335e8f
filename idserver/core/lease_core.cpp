#include "idserver/core/lease_core.h"

#include <algorithm>

namespace vcfs::idserver {

std::optional<IdRange> LeaseCore::take(std::uint32_t count) {
  if (count == 0 || left() < count) return std::nullopt;
  IdRange range{next_, count};
  next_ += count;
  leased_ += count;
  return range;
}

std::uint64_t LeaseCore::refill(std::uint32_t count) const {
  if (left() >= std::max<std::uint64_t>(count, block_ / 2)) return 0;
  return std::max<std::uint64_t>(block_, count);
}

void LeaseCore::add(IdRange range) {
  if (range.first == end_ && left() > 0) {
    end_ = range.end();
    return;
  }
  // With other ID servers on one catalog ranges alternate: keep the longer piece.
  if (range.count < left()) return;
  next_ = range.first;
  end_ = range.end();
}

}  // namespace vcfs::idserver
