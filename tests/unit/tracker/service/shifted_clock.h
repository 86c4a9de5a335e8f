#pragma once

#include <functional>
#include <memory>

#include "common/runtime/clock.h"

namespace vcfs::tracker::test {

// The machine's clocks, put forward by a test. Call-backs that wait already are not concerned.
class ShiftedClock final : public Clock {
 public:
  explicit ShiftedClock(asio::io_context& io) : real_(io) {}
  TimePoint now() const override { return real_.now() + steady; }
  std::int64_t wallNs() const override { return real_.wallNs() + wall.count(); }
  std::unique_ptr<Timer> callAt(TimePoint when, std::function<void()> callback) override {
    return real_.callAt(when + -steady, std::move(callback));
  }

  Duration steady{};
  Duration wall{};

 private:
  SystemClock real_;
};

}  // namespace vcfs::tracker::test
