#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/core/range_set.h"

namespace vcfs::storage {

// What a replica that is caught up has to copy. No I/O.

// The ranges of a window of blocks in which the two sides differ: blocks whose checksums are unlike, and what only the
// source has. `offset`: where the window begins; `sourceSize`: the source's file size. Neighbouring blocks are joined
// up to `maxPiece` bytes.
std::vector<Range> differing(std::uint64_t offset, std::uint32_t blockSize, std::span<const std::uint32_t> source,
                             std::span<const std::uint32_t> own, std::uint64_t sourceSize, std::uint64_t maxPiece);

// [begin, end) cut into pieces of at most maxPiece.
std::vector<Range> pieces(std::uint64_t begin, std::uint64_t end, std::uint64_t maxPiece);

// To which size an own file of `ownSize` bytes must be cut before copying, if it is longer: bytes behind the source's
// end are garbage, unless live writes put them there since the replica joined, the furthest up to `liveEnd`; `live` has
// holes that were punched, too, which may lie behind the end. A live truncate has left no garbage behind it. What came
// after the source told its size must not have left a gap behind it, or truncated or allocated anything.
std::uint64_t cutTo(std::uint64_t sourceSize, const RangeSet& live, std::uint64_t liveEnd, std::uint64_t ownSize);

}  // namespace vcfs::storage
