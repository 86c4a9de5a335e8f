#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace vcfs::storage {

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // exclusive
  friend bool operator==(const Range&, const Range&) = default;
};

// A set of byte positions, kept as disjoint ranges. Catch-up uses it to remember what live writes covered since the
// replica joined: those bytes are newer than anything copied from another replica and must not be overwritten.
//
// Bounded: once full() it takes nothing more and tells nothing reliable; the caller starts its work over with an empty
// set.
class RangeSet {
 public:
  static constexpr std::uint64_t kEnd = UINT64_MAX;

  explicit RangeSet(std::size_t maxRanges = 1u << 18) : maxRanges_(maxRanges) {}

  void add(std::uint64_t begin, std::uint64_t end);
  void clear() { ranges_.clear(); }
  bool full() const { return ranges_.size() >= maxRanges_; }
  bool contains(std::uint64_t position) const;
  // The parts of [begin, end) that are not in the set, ascending.
  std::vector<Range> gaps(std::uint64_t begin, std::uint64_t end) const;
  std::vector<Range> ranges() const;
  // Whether it ends with a range [x, kEnd): nothing behind x is anything but live.
  bool openEnded() const { return !ranges_.empty() && ranges_.rbegin()->second == kEnd; }

 private:
  std::size_t maxRanges_;
  std::map<std::uint64_t, std::uint64_t> ranges_;  // begin → end; neither overlapping nor touching
};

}  // namespace vcfs::storage
