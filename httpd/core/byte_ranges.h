#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace vcfs::httpd {

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;  // never 0
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

inline constexpr std::size_t kMaxRanges = 64;   // in one Range header; more is refused
inline constexpr std::uint64_t kRangeGap = 80;  // ranges as near as this become one: a part's header costs more

struct RangePlan {
  enum class Kind {
    whole,          // no Range, or of a unit that is not "bytes": answer 200
    partial,        // answer 206 with `ranges`: one, or several as multipart/byteranges
    unsatisfiable,  // answer 416: malformed, too many, or nothing of it within the file
  };
  Kind kind = Kind::whole;
  std::vector<ByteRange> ranges;
};

// What to send of a file of `size` bytes for the Range header `header` ("" when there is none). Ranges that overlap or
// nearly touch are merged (then all are in ascending order); else the order is the client's. Never more than `size`
// bytes in all.
RangePlan planRanges(std::string_view header, std::uint64_t size);

}  // namespace vcfs::httpd
