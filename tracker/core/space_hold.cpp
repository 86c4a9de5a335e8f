#include "tracker/core/space_hold.h"

#include <algorithm>

namespace vcfs::tracker {

void SpaceHold::keep(Bytes sums, TimePoint until) { kept_.push_back(Kept{std::move(sums), until}); }

SpaceHold::Bytes SpaceHold::atLeast(Bytes sums, TimePoint now) {
  std::erase_if(kept_, [now](const Kept& kept) { return kept.until <= now; });
  for (const Kept& kept : kept_) {
    for (const auto& [storage, bytes] : kept.sums) sums[storage] = std::max(sums[storage], bytes);
  }
  return sums;
}

}  // namespace vcfs::tracker
