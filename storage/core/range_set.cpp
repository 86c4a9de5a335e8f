#include "storage/core/range_set.h"

#include <algorithm>

namespace vcfs::storage {

void RangeSet::add(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end || full()) return;
  auto next = ranges_.upper_bound(begin);
  if (next != ranges_.begin() && std::prev(next)->second >= begin) {
    --next;
    begin = next->first;
  }
  while (next != ranges_.end() && next->first <= end) {
    end = std::max(end, next->second);
    next = ranges_.erase(next);
  }
  ranges_.emplace_hint(next, begin, end);
}

bool RangeSet::contains(std::uint64_t position) const {
  auto next = ranges_.upper_bound(position);
  return next != ranges_.begin() && std::prev(next)->second > position;
}

std::vector<Range> RangeSet::gaps(std::uint64_t begin, std::uint64_t end) const {
  std::vector<Range> result;
  auto next = ranges_.upper_bound(begin);
  if (next != ranges_.begin()) begin = std::max(begin, std::prev(next)->second);
  for (; begin < end && next != ranges_.end() && next->first < end; ++next) {
    if (begin < next->first) result.push_back(Range{begin, next->first});
    begin = std::max(begin, next->second);
  }
  if (begin < end) result.push_back(Range{begin, end});
  return result;
}

std::vector<Range> RangeSet::ranges() const {
  std::vector<Range> result;
  for (auto [begin, end] : ranges_) result.push_back(Range{begin, end});
  return result;
}

}  // namespace vcfs::storage
