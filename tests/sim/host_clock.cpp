#include "tests/sim/host_clock.h"

#include <utility>

namespace vcfs::sim {

namespace {

// Empty once it has run or was cancelled.
using CallBack = std::shared_ptr<std::function<void()>>;

void run(const CallBack& callback) {
  if (const auto now = std::exchange(*callback, nullptr)) now();
}

class HostTimer final : public Clock::Timer {
 public:
  HostTimer(CallBack callback, std::unique_ptr<Clock::Timer> due)
      : callback_(std::move(callback)), due_(std::move(due)) {}
  ~HostTimer() override { cancel(); }
  void cancel() override {
    due_->cancel();
    *callback_ = nullptr;
  }

 private:
  CallBack callback_;
  std::unique_ptr<Clock::Timer> due_;
};

}  // namespace

struct HostClock::State {
  asio::io_context& io;
  std::deque<CallBack> waiting;
  bool stopped = false;

  void due(const CallBack& callback) {
    if (!stopped && waiting.empty()) return run(callback);
    waiting.push_back(callback);
  }

  static void next(const std::shared_ptr<State>& state) {
    if (state->stopped || state->waiting.empty()) return;
    const CallBack first = std::move(state->waiting.front());
    state->waiting.pop_front();
    run(first);
    asio::post(state->io, [state] { next(state); });
  }
};

HostClock::HostClock(asio::io_context& io, Clock& time, Duration wallOffset)
    : time_(time), wallOffset_(wallOffset), state_(std::make_shared<State>(State{io, {}})) {}
HostClock::~HostClock() = default;

std::unique_ptr<Clock::Timer> HostClock::callAt(TimePoint when, std::function<void()> callback) {
  auto kept = std::make_shared<std::function<void()>>(std::move(callback));
  auto timer = time_.callAt(when, [state = state_, kept] { state->due(kept); });
  return std::make_unique<HostTimer>(std::move(kept), std::move(timer));
}

void HostClock::stop() { state_->stopped = true; }

void HostClock::goOn() {
  state_->stopped = false;
  asio::post(state_->io, [state = state_] { State::next(state); });
}

}  // namespace vcfs::sim
