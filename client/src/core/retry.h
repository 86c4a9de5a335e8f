#pragma once

#include <algorithm>

#include "common/runtime/clock.h"

namespace vcfs::client {

// When to try again, and when to give up: pauses double from `first` to `most`, and the last one ends at the deadline.
class Retry {
 public:
  static constexpr Duration kFirst = std::chrono::milliseconds(5);
  static constexpr Duration kMost = std::chrono::milliseconds(250);

  Retry(TimePoint start, Duration limit, Duration first = kFirst, Duration most = kMost)
      : deadline_(start + limit), first_(first), most_(most), next_(first) {}

  TimePoint deadline() const { return deadline_; }
  bool expired(TimePoint now) const { return now >= deadline_; }
  Duration remaining(TimePoint now) const { return std::max(deadline_ - now, Duration(0)); }
  // The pause before the next attempt.
  Duration pause(TimePoint now) {
    const Duration pause = std::min(next_, remaining(now));
    next_ = std::min(next_ * 2, most_);
    return pause;
  }
  // Something moved (a new layout, another tracker): the next pause is short again.
  void progress() { next_ = first_; }

 private:
  TimePoint deadline_;
  Duration first_;
  Duration most_;
  Duration next_;
};

}  // namespace vcfs::client
