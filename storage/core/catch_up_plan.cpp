#include "storage/core/catch_up_plan.h"

#include <algorithm>

namespace vcfs::storage {

std::vector<Range> pieces(std::uint64_t begin, std::uint64_t end, std::uint64_t maxPiece) {
  std::vector<Range> result;
  for (; begin < end; begin += maxPiece) result.push_back(Range{begin, std::min(end, begin + maxPiece)});
  return result;
}

std::vector<Range> differing(std::uint64_t offset, std::uint32_t blockSize, std::span<const std::uint32_t> source,
                             std::span<const std::uint32_t> own, std::uint64_t sourceSize, std::uint64_t maxPiece) {
  std::vector<Range> result;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (i < own.size() && own[i] == source[i]) continue;
    const std::uint64_t begin = offset + static_cast<std::uint64_t>(i) * blockSize;
    const std::uint64_t end = std::min(begin + blockSize, sourceSize);
    if (begin >= end) break;
    const bool joins = !result.empty() && result.back().end == begin && end - result.back().begin <= maxPiece;
    if (joins) {
      result.back().end = end;
    } else {
      result.push_back(Range{begin, end});
    }
  }
  return result;
}

std::uint64_t cutTo(std::uint64_t sourceSize, const RangeSet& live, std::uint64_t liveEnd, std::uint64_t ownSize) {
  return std::max(sourceSize, live.openEnded() ? ownSize : liveEnd);
}

}  // namespace vcfs::storage
