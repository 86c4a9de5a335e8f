#include "client/src/core/read_plan.h"

#include <algorithm>

namespace vcfs::client {

namespace {

constexpr std::uint64_t kNear = 1u << 20;          // how far a kernel's requests get ahead of each other
constexpr std::uint64_t kLargeFirst = 128u << 10;  // a first read of this size at offset 0 is the start of a copy

}  // namespace

bool ReadPlan::continues(std::uint64_t offset, std::uint64_t length) const {
  if (!started_) return offset == 0 && length >= kLargeFirst;
  if (offset == expected_) return true;
  if (streak_ == 0) return false;
  return offset < expected_ + kNear && offset + kNear >= expected_;
}

void ReadPlan::reset() {
  requested_ = 0;
  window_ = 0;
}

std::vector<ReadPlan::Range> ReadPlan::onRead(std::uint64_t offset, std::uint64_t length, std::uint64_t size,
                                              std::uint64_t room) {
  const bool continued = continues(offset, length);
  const bool jumped = !continued;
  started_ = true;
  streak_ = continued ? streak_ + 1 : 0;
  expected_ = jumped ? offset + length : std::max(expected_, offset + length);
  if (jumped) reset();
  if (!continued || limit_ == 0) return {};

  window_ = window_ == 0 ? std::max(2 * length, chunk_) : window_ * 2;
  window_ = std::min(window_, limit_);

  const std::uint64_t from = std::max(requested_, offset);
  const std::uint64_t wanted = std::min(expected_ + window_, size);
  std::vector<Range> ranges;
  for (std::uint64_t at = from; at < wanted;) {
    const std::uint64_t step = std::min(chunk_, wanted - at);
    // A small piece is not worth a request of its own unless it is the end of the file or needed now.
    if (step < chunk_ / 2 && at >= expected_ && at + step < size) break;
    if (step > room) break;
    ranges.push_back(Range{at, step});
    room -= step;
    at += step;
  }
  if (!ranges.empty()) requested_ = ranges.back().offset + ranges.back().length;
  return ranges;
}

}  // namespace vcfs::client
