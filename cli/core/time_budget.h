#pragma once

#include <algorithm>

#include "common/runtime/clock.h"

namespace vcfs::cli {

// So much time for something that is nice to have and done in several goes. The time comes in with each call.
class TimeBudget {
 public:
  explicit TimeBudget(Duration total) : left_(total) {}
  void begin(TimePoint now) { begun_ = now; }
  void end(TimePoint now) { left_ = std::max(Duration::zero(), left_ - (now - begun_)); }
  bool spent() const { return left_ == Duration::zero(); }
  bool spent(TimePoint now) const { return now - begun_ >= left_; }  // in the middle of one

 private:
  Duration left_;
  TimePoint begun_{};
};

}  // namespace vcfs::cli
