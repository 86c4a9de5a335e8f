#include "common/runtime/idle_spin.h"

#include <sched.h>

#include <algorithm>

namespace vcfs {

void IdleSpin::cameAfter(Duration idle) {
  if (idle > limit_) {
    score_ = std::max(score_ - 1, 0);
  } else if (++score_ > kMost) {
    score_ = kMost;
  }
}

void IdleSpin::inVain() { score_ = std::max(score_ - kPenalty, 0); }

void IdleSpin::wasCrowded(TimePoint now) {
  // One that is crowded again soon after its pause is so for good.
  pause_ = now - notBefore_ < kCalm ? std::min(2 * pause_, kLongestPause) : kFirstPause;
  notBefore_ = now + pause_;
  score_ = 0;
}

namespace {

TimePoint steadyNow() { return TimePoint{std::chrono::steady_clock::now().time_since_epoch().count()}; }

// True when something came.
bool lookAgain(asio::io_context& io, IdleSpin& spin, TimePoint idleSince) {
  TimePoint before = idleSince;
  while (!io.stopped()) {
    ::sched_yield();
    const TimePoint now = steadyNow();
    const bool crowded = IdleSpin::crowded(now - before);
    if (crowded) spin.wasCrowded(now);
    if (io.poll() > 0) return true;
    if (crowded) return false;
    if (now - idleSince > spin.limit()) {
      spin.inVain();
      return false;
    }
    before = steadyNow();
  }
  return false;
}

}  // namespace

void runLoop(asio::io_context& io, IdleSpin spin) {
  while (!io.stopped()) {
    io.poll();
    if (io.stopped()) return;
    const TimePoint idleSince = steadyNow();
    if (spin.worthwhile(idleSince) && lookAgain(io, spin, idleSince)) {
      spin.cameAfter(Duration(0));
      continue;
    }
    if (io.stopped()) return;
    const TimePoint asleepSince = steadyNow();
    io.run_one();
    spin.cameAfter(steadyNow() - asleepSince);
  }
}

}  // namespace vcfs
