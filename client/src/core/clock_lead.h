#pragma once

#include <algorithm>
#include <cstdint>

#include "common/runtime/clock.h"

namespace vcfs::client {

// How far this host's clock is ahead of the storage servers'. A server does not take a change's time that is in its
// future: by how much is learned from its answer, so that the times of later changes are such as it takes.
class ClockLead {
 public:
  static constexpr std::int64_t kMostNs = 1'000'000'000;             // more is a clock that is wrong
  static constexpr Duration kRemembered = std::chrono::minutes(10);  // since it was seen last: clocks are put right

  // A server took a time that is so much earlier than the one it was told.
  void seen(std::int64_t ns, TimePoint now) {
    leadNs_ = std::min(std::max(ns, this->ns(now)), kMostNs);
    until_ = now + kRemembered;
  }
  std::int64_t ns(TimePoint now) const { return now < until_ ? leadNs_ : 0; }

 private:
  std::int64_t leadNs_ = 0;
  TimePoint until_;
};

}  // namespace vcfs::client
