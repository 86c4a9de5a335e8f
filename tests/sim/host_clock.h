#pragma once

#include <deque>

#include "common/runtime/clock.h"

namespace vcfs::sim {

// The clock of one host: steady time as everywhere, a wall clock that may be wrong, and call-backs that wait while the
// host's process stands still. Loop thread only.
class HostClock final : public Clock {
 public:
  // `wallOffset`: how far the wall clock is ahead of the others'.
  HostClock(asio::io_context& io, Clock& time, Duration wallOffset);
  ~HostClock() override;
  TimePoint now() const override { return time_.now(); }
  std::int64_t wallNs() const override { return time_.wallNs() + wallOffset_.count(); }
  std::unique_ptr<Timer> callAt(TimePoint when, std::function<void()> callback) override;

  // What becomes due from now on waits.
  void stop();
  // What has waited is run in order, each in a turn of the loop of its own.
  void goOn();

 private:
  struct State;
  Clock& time_;
  const Duration wallOffset_;
  std::shared_ptr<State> state_;
};

}  // namespace vcfs::sim
