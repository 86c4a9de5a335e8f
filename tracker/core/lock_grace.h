#pragma once

#include <cstdint>

#include "common/runtime/clock.h"

namespace vcfs::tracker {

// Whether leases of file locks that have run out by the clock are over. They are not when renewals may have been lost
// with this tracker, with the catalog or with the network, and for the length of a lease after that: who lives has
// renewed by then. No I/O.
class LockGrace {
 public:
  // The start is such a time.
  LockGrace(Duration lease, TimePoint now, std::int64_t wallNs);
  // Renewals may have been lost until now.
  void interrupted(TimePoint now);
  // A host that may have locks was heard of. When all of them were silent until then, it is not all of them that died.
  void heard(TimePoint now);
  // Called about four times a second, and before each question: did this process stand still, or was the clock set by
  // which leases end?
  void tick(TimePoint now, std::int64_t wallNs);
  bool forgives(TimePoint now) const { return now < until_; }

 private:
  Duration lease_;
  TimePoint until_;
  TimePoint heard_;
  TimePoint ticked_;
  std::int64_t wallAhead_;  // of the steady clock
};

}  // namespace vcfs::tracker
