#pragma once

#include <deque>
#include <memory>

#include "common/runtime/runtime.h"

namespace vcfs::client {

// Wakes the files whose oldest byte has waited long enough. All files have the same max lag, so they fall due in the
// order in which they came and one timer serves them all.
class LagQueue : public std::enable_shared_from_this<LagQueue> {
 public:
  class Sleeper {
   public:
    virtual ~Sleeper() = default;
    // What falls due until `until`, a moment after now, is to be sent: waking up for it once more would cost more.
    virtual void lagPassed(TimePoint until) = 0;
  };

  // `together`: those that fall due within so long share a wake-up, the later ones early.
  LagQueue(Runtime& runtime, Duration together) : runtime_(runtime), together_(together) {}
  void add(std::weak_ptr<Sleeper> sleeper, TimePoint due);

 private:
  void arm();
  void fire();

  struct Entry {
    std::weak_ptr<Sleeper> sleeper;
    TimePoint due;
  };
  Runtime& runtime_;
  const Duration together_;
  std::deque<Entry> entries_;  // ascending by due, nearly: a replay may come a little late, which is harmless
  std::unique_ptr<Clock::Timer> timer_;
};

}  // namespace vcfs::client
