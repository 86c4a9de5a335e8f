#include "tracker/core/lock_grace.h"

#include <algorithm>
#include <cstdlib>

namespace vcfs::tracker {

namespace {
constexpr Duration kStandstill = std::chrono::seconds(1);
constexpr Duration kSilence = std::chrono::seconds(3);  // of hosts, each of which pings four times a second
}  // namespace

LockGrace::LockGrace(Duration lease, TimePoint now, std::int64_t wallNs)
    : lease_(lease), until_(now + lease), heard_(now), ticked_(now), wallAhead_(wallNs - now.ns) {}

void LockGrace::interrupted(TimePoint now) { until_ = std::max(until_, now + lease_); }

void LockGrace::heard(TimePoint now) {
  if (now - heard_ > std::min(kSilence, lease_ / 2)) interrupted(now);
  heard_ = now;
}

void LockGrace::tick(TimePoint now, std::int64_t wallNs) {
  const Duration most = std::min(kStandstill, lease_ / 2);
  const std::int64_t wallAhead = wallNs - now.ns;
  if (now - ticked_ > most || Duration(std::abs(wallAhead - wallAhead_)) > most) interrupted(now);
  ticked_ = now;
  wallAhead_ = wallAhead;
}

}  // namespace vcfs::tracker
