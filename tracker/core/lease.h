#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/runtime/clock.h"

// The coordinator's lease: who drives what one tracker must drive. A row of the catalog, changed by compare-and-set;
// the decision what to write is here, without I/O.
//
// Nobody's clock is compared with anybody else's, so that clocks that differ, or are set, make no two coordinators: the
// holder counts from before it asked for the lease, who waits for it from when it first found the row as it still is.
// That is later; both by their own steady clocks.
namespace vcfs::tracker {

struct Lease {
  std::string holder;     // a tracker's address; empty: nobody yet
  std::string candidate;  // who takes over first; empty: nobody named
  std::int64_t term = 0;
  std::int64_t expires = 0;  // by the holder's wall clock, ns: for people, and no two renewals are equal
  friend bool operator==(const Lease&, const Lease&) = default;
};

struct LeaseRules {
  std::int64_t lengthNs = 5'000'000'000;  // a holder that does not renew for this long loses it
  std::int64_t graceNs = 2'000'000'000;   // trackers that are not the candidate wait this much longer
};

// The row as a tracker knew it when it began to ask for the lease, and for how long it had been like that.
struct SeenLease {
  Lease lease;
  Duration unchanged{};
};

// Remembers what the row was when it was read last. Times are this tracker's steady clock.
class LeaseWatch {
 public:
  // `now`: when the answer was here.
  void saw(const Lease& lease, TimePoint now);
  SeenLease seen(TimePoint now) const { return SeenLease{lease_, now - since_}; }

 private:
  Lease lease_;
  TimePoint since_;
};

// What `self` should write now, or nothing when somebody else has the lease. `present`: the row in this transaction;
// `nextCandidate`: whom self would name; `wallNs`: this tracker's wall clock.
std::optional<Lease> claim(const Lease& present, const SeenLease& seen, const std::string& self,
                           const std::string& nextCandidate, std::int64_t wallNs, const LeaseRules& rules);

}  // namespace vcfs::tracker
