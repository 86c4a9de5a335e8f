#pragma once

#include <asio/io_context.hpp>

#include "common/runtime/clock.h"

namespace vcfs {

// Decides whether a loop with nothing to do goes to sleep at once or first looks again for a moment. A sleeping loop is
// woken late and at a cost to whoever wakes it (some 30 us on a virtual machine), which is much of a small request; so
// while events follow each other closely the loop stays awake between them. It never stays awake for long when nothing
// comes, nor where another program wants the processor. Without I/O; the caller tells the time.
class IdleSpin {
 public:
  // `limit`: the longest time to look again; 0: never.
  explicit IdleSpin(Duration limit) : limit_(limit) {}

  Duration limit() const { return limit_; }
  // Whether to look again, at the beginning of an idle time.
  bool worthwhile(TimePoint now) const { return limit_ > Duration(0) && score_ >= kEnough && now >= notBefore_; }
  // An idle time ended with an event, after `idle`.
  void cameAfter(Duration idle);
  // Looked again for the whole of the limit, for nothing.
  void inVain();
  // Between two looks the processor was away for so long that somebody else must have had it.
  // (Other loops of the same request give it back sooner.)
  static bool crowded(Duration betweenLooks) { return betweenLooks > std::chrono::microseconds(500); }
  void wasCrowded(TimePoint now);

 private:
  static constexpr int kMost = 16;
  static constexpr int kEnough = 4;  // short idle times in a row
  static constexpr int kPenalty = 6;
  static constexpr Duration kFirstPause = std::chrono::milliseconds(10);
  static constexpr Duration kLongestPause = std::chrono::seconds(1);
  static constexpr Duration kCalm = std::chrono::milliseconds(500);

  Duration limit_;
  int score_ = 0;
  TimePoint notBefore_;
  Duration pause_ = kFirstPause;
};

// io.run(), staying awake between events as `spin` says. On the calling thread until the loop is stopped or has no
// work left.
void runLoop(asio::io_context& io, IdleSpin spin);

}  // namespace vcfs
