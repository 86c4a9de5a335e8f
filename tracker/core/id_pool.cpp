#include "tracker/core/id_pool.h"

namespace vcfs::tracker {

std::optional<std::uint64_t> IdPool::take() {
  if (ranges_.empty()) return std::nullopt;
  Range& range = ranges_.front();
  const std::uint64_t id = range.next++;
  if (range.next == range.end) ranges_.pop_front();
  --left_;
  return id;
}

void IdPool::add(std::uint64_t first, std::uint32_t count) {
  if (count == 0) return;
  ranges_.push_back({first, first + count});
  left_ += count;
}

}  // namespace vcfs::tracker
