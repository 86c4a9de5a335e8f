#pragma once

#include <cstdint>
#include <deque>

#include "common/runtime/clock.h"

namespace vcfs::client {

// Tells a connection that is busy from one that hardly carries anything: both are late with every answer.
class Pace {
 public:
  // What has arrived at the other end so far; to be told every now and then.
  void note(TimePoint now, std::uint64_t arrived) {
    seen_.push_back({now, arrived});
    while (seen_.size() > 2 && now - seen_[1].at >= kSpan) seen_.pop_front();
  }
  // It carries what takes even a good connection a while, or more.
  bool busy() const { return !seen_.empty() && seen_.back().arrived - seen_.front().arrived >= kMuch; }

 private:
  static constexpr Duration kSpan = std::chrono::seconds(1);
  static constexpr std::uint64_t kMuch = 1u << 20;
  struct Seen {
    TimePoint at;
    std::uint64_t arrived;
  };
  std::deque<Seen> seen_;  // of the last kSpan
};

}  // namespace vcfs::client
