#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "common/runtime/task.h"

namespace vcfs {

using Duration = std::chrono::nanoseconds;

// A moment of a Clock's steady time, in nanoseconds since an arbitrary start.
struct TimePoint {
  std::int64_t ns = 0;
  friend auto operator<=>(const TimePoint&, const TimePoint&) = default;
  friend TimePoint operator+(TimePoint t, Duration d) { return TimePoint{t.ns + d.count()}; }
  friend Duration operator-(TimePoint a, TimePoint b) { return Duration(a.ns - b.ns); }
};

// The only source of time in vcfs, so that a test can move it by hand. Used on the loop's thread only.
class Clock {
 public:
  // One pending call-back. Destroying or cancelling it means the call-back does not run any more.
  class Timer {
   public:
    virtual ~Timer() = default;
    virtual void cancel() = 0;
  };

  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
  virtual std::int64_t wallNs() const = 0;  // nanoseconds since the Unix epoch, for people and mtimes
  // Runs `callback` on the loop at or after `when`, once.
  [[nodiscard]] virtual std::unique_ptr<Timer> callAt(TimePoint when, std::function<void()> callback) = 0;

  // Ends after `duration`; throws asio::system_error(operation_aborted) when the coroutine is cancelled.
  Task<void> sleep(Duration duration);
};

// The machine's clocks.
class SystemClock final : public Clock {
 public:
  explicit SystemClock(asio::io_context& io);
  ~SystemClock() override;
  TimePoint now() const override;
  std::int64_t wallNs() const override;
  std::unique_ptr<Timer> callAt(TimePoint when, std::function<void()> callback) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// A clock that stands until a test moves it. advance() runs the call-backs that become due, in order of their time,
// and between them whatever the loop has ready.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(asio::io_context& io);
  ~ManualClock() override;
  TimePoint now() const override;
  std::int64_t wallNs() const override;
  std::unique_ptr<Timer> callAt(TimePoint when, std::function<void()> callback) override;

  void advance(Duration duration);
  // As if somebody had set the wall clock: it is ahead by so much from now on. Steady time is not concerned.
  void setWall(Duration ahead);
  // Moves to the next pending call-back, at most `limit` away; false when there is none.
  bool advanceToNext(Duration limit);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace vcfs
