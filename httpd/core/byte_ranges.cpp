#include "httpd/core/byte_ranges.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>

#include "httpd/core/text.h"

namespace vcfs::httpd {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

// Digits only; saturates instead of wrapping.
std::optional<std::uint64_t> number(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    std::uint64_t digit = static_cast<std::uint64_t>(c - '0');
    value = value > (kMost - digit) / 10 ? kMost : value * 10 + digit;
  }
  return value;
}

enum class Verdict { good, outside, malformed };

Verdict parseOne(std::string_view spec, std::uint64_t size, ByteRange& out) {
  std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return Verdict::malformed;
  std::string_view left = spec.substr(0, dash), right = spec.substr(dash + 1);
  if (left.empty()) {
    std::optional<std::uint64_t> suffix = number(right);
    if (!suffix) return Verdict::malformed;
    std::uint64_t length = std::min(*suffix, size);
    if (length == 0) return Verdict::outside;
    out = ByteRange{size - length, length};
    return Verdict::good;
  }
  std::optional<std::uint64_t> first = number(left);
  std::optional<std::uint64_t> last = right.empty() ? kMost : number(right);
  if (!first || !last || *last < *first) return Verdict::malformed;
  if (*first >= size) return Verdict::outside;
  out = ByteRange{*first, std::min(*last, size - 1) - *first + 1};
  return Verdict::good;
}

bool near(const ByteRange& a, const ByteRange& b) {  // a.offset <= b.offset
  return b.offset <= a.offset + a.length + kRangeGap;
}

std::vector<ByteRange> merged(std::vector<ByteRange> ranges) {
  std::vector<ByteRange> sorted = ranges;
  std::sort(sorted.begin(), sorted.end(), [](const ByteRange& a, const ByteRange& b) { return a.offset < b.offset; });
  std::vector<ByteRange> out;
  for (const ByteRange& range : sorted) {
    if (!out.empty() && near(out.back(), range)) {
      std::uint64_t end = std::max(out.back().offset + out.back().length, range.offset + range.length);
      out.back().length = end - out.back().offset;
    } else {
      out.push_back(range);
    }
  }
  return out.size() == ranges.size() ? ranges : out;
}

}  // namespace

RangePlan planRanges(std::string_view header, std::uint64_t size) {
  RangePlan plan;
  std::size_t equals = header.find('=');
  if (equals == std::string_view::npos) return plan;  // not a range at all: to be ignored
  if (!equalsIgnoreCase(trim(header.substr(0, equals)), "bytes")) return plan;

  plan.kind = RangePlan::Kind::unsatisfiable;
  std::size_t specs = 0;
  std::vector<ByteRange> ranges;
  for (std::string_view item : splitList(header.substr(equals + 1))) {
    if (++specs > kMaxRanges) return plan;
    ByteRange range;
    Verdict verdict = parseOne(item, size, range);
    if (verdict == Verdict::malformed) return plan;
    if (verdict == Verdict::good) ranges.push_back(range);
  }
  if (ranges.empty()) return plan;
  plan.kind = RangePlan::Kind::partial;
  plan.ranges = merged(std::move(ranges));
  return plan;
}

}  // namespace vcfs::httpd
