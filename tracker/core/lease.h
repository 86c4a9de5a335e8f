#pragma once

#include <cstdint>
#include <optional>
#include <string>

// The coordinator's lease: who drives what one tracker must drive. A row of the catalog, changed by compare-and-set;
// the decision what to write is here, without I/O. Times are the catalog's wall clock in nanoseconds.
namespace vcfs::tracker {

struct Lease {
  std::string holder;     // a tracker's address; empty: nobody yet
  std::string candidate;  // who takes over first; empty: nobody named
  std::int64_t term = 0;
  std::int64_t expires = 0;
  friend bool operator==(const Lease&, const Lease&) = default;
};

struct LeaseRules {
  std::int64_t lengthNs = 5'000'000'000;  // a holder that does not renew for this long loses it
  std::int64_t graceNs = 2'000'000'000;   // trackers that are not the candidate wait this much longer
};

// What `self` should write now, or nothing when somebody else has the lease. `nextCandidate`: whom self would name.
std::optional<Lease> claim(const Lease& present, const std::string& self, const std::string& nextCandidate,
                           std::int64_t now, const LeaseRules& rules);

}  // namespace vcfs::tracker
