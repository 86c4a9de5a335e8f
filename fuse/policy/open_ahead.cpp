#include "fuse/policy/open_ahead.h"

#include <algorithm>

namespace vcfs::fuse {

namespace {
constexpr std::uint32_t kFirst = 4;
}

void OpenAhead::listed(InodeId directory, std::uint64_t after, InodeId inode) {
  if (places_.size() >= capacity_) {
    places_.clear();
    directories_.clear();
  }
  Directory& known = directories_[directory];
  if (after == 0) known.listed = 0;
  places_[inode] = Place{directory, after, ++known.listed};
}

std::optional<OpenAhead::Range> OpenAhead::missed(InodeId inode) {
  const auto place = places_.find(inode);
  if (place == places_.end()) return std::nullopt;
  const auto [directory, after, ordinal] = place->second;
  Directory& known = directories_[directory];
  const bool next = known.count != 0 && ordinal > known.last && ordinal <= known.last + known.count + kSlack;
  known.count = next ? std::clamp(known.count * 2, kFirst, kMost) : 1;
  known.last = ordinal;
  if (known.count == 1) return std::nullopt;
  return Range{directory, after, known.count};
}

}  // namespace vcfs::fuse
