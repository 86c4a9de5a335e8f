#include "tracker/core/lease.h"

namespace vcfs::tracker {

std::optional<Lease> claim(const Lease& present, const std::string& self, const std::string& nextCandidate,
                           std::int64_t now, const LeaseRules& rules) {
  Lease next = present;
  next.candidate = nextCandidate;
  next.expires = now + rules.lengthNs;
  if (present.holder == self && now < present.expires) return next;  // renewal

  const bool mayAtOnce = present.candidate == self || present.candidate.empty() || present.holder == self;
  const std::int64_t free = present.expires + (mayAtOnce ? 0 : rules.graceNs);
  if (!present.holder.empty() && now < free) return std::nullopt;
  next.holder = self;
  next.term = present.term + 1;
  return next;
}

}  // namespace vcfs::tracker
