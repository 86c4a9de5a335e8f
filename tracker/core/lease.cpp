#include "tracker/core/lease.h"

#include <algorithm>

namespace vcfs::tracker {

void LeaseWatch::saw(const Lease& lease, TimePoint now) {
  if (lease == lease_) return;
  lease_ = lease;
  since_ = now;
}

std::optional<Lease> claim(const Lease& present, const SeenLease& seen, const std::string& self,
                           const std::string& nextCandidate, std::int64_t wallNs, const LeaseRules& rules) {
  Lease next = present;
  next.candidate = nextCandidate;
  next.expires = std::max(wallNs + rules.lengthNs, present.expires + 1);

  const std::int64_t unchanged = seen.lease == present ? seen.unchanged.count() : -1;
  const bool known = unchanged >= 0;
  const bool mine = present.holder == self;
  if (mine && known && unchanged < rules.lengthNs) return next;  // renewal

  // An earlier process of this tracker is gone: what it still had under way ends with its term.
  const bool candidate = present.candidate == self || present.candidate.empty();
  const std::int64_t free = rules.lengthNs + (candidate ? 0 : rules.graceNs);
  if (!present.holder.empty() && !mine && unchanged < free) return std::nullopt;
  next.holder = self;
  next.term = present.term + 1;
  return next;
}

}  // namespace vcfs::tracker
