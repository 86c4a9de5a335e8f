#include "common/runtime/clock.h"

#include <map>

namespace vcfs {

namespace {

// Pending call-backs in order of their time; equal times in order of insertion.
using Pending = std::multimap<std::int64_t, std::function<void()>>;

struct Queue {
  Pending pending;
};

class QueueTimer final : public Clock::Timer {
 public:
  QueueTimer(std::weak_ptr<Queue> queue, std::shared_ptr<bool> fired, Pending::iterator position)
      : queue_(std::move(queue)), fired_(std::move(fired)), position_(position) {}
  ~QueueTimer() override { cancel(); }
  void cancel() override {
    if (*fired_) return;
    *fired_ = true;
    if (auto queue = queue_.lock()) queue->pending.erase(position_);
  }

 private:
  std::weak_ptr<Queue> queue_;
  std::shared_ptr<bool> fired_;
  Pending::iterator position_;
};

std::unique_ptr<Clock::Timer> add(const std::shared_ptr<Queue>& queue, TimePoint when, std::function<void()> callback) {
  auto fired = std::make_shared<bool>(false);
  auto position = queue->pending.emplace(when.ns, [fired, callback = std::move(callback)] {
    *fired = true;
    callback();
  });
  return std::make_unique<QueueTimer>(queue, std::move(fired), position);
}

// Takes the first call-back that is due out of the queue and runs it.
bool runOne(Queue& queue, std::int64_t nowNs) {
  auto first = queue.pending.begin();
  if (first == queue.pending.end() || first->first > nowNs) return false;
  auto callback = std::move(first->second);
  // The timer's own cancel() must not erase it again: the wrapper marks it as fired before the call-back runs, and
  // nothing can run between the erase and the call.
  queue.pending.erase(first);
  callback();
  return true;
}

}  // namespace

Task<void> Clock::sleep(Duration duration) {
  asio::steady_timer wake(co_await asio::this_coro::executor);
  wake.expires_at(asio::steady_timer::time_point::max());
  bool due = false;
  auto timer = callAt(now() + duration, [&] {
    due = true;
    wake.cancel();
  });
  asio::error_code result;
  co_await wake.async_wait(asio::redirect_error(asio::use_awaitable, result));
  if (!due) throw asio::system_error(asio::error::operation_aborted);
}

// ---- SystemClock: one Asio timer, armed for the earliest pending call-back

struct SystemClock::State : Queue, std::enable_shared_from_this<SystemClock::State> {
  explicit State(asio::io_context& io) : timer(io) {}

  void arm() {
    if (pending.empty()) return;
    const std::int64_t first = pending.begin()->first;
    if (first >= armedFor) return;  // a wake-up at or before that time is on its way already
    armedFor = first;
    timer.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(first)));
    timer.async_wait([weak = weak_from_this()](asio::error_code error) {
      auto self = weak.lock();
      if (!self || error) return;  // error: re-armed for an earlier time, or shutting down
      self->fire();
    });
  }

  void fire() {
    armedFor = INT64_MAX;
    const std::int64_t nowNs = std::chrono::steady_clock::now().time_since_epoch().count();
    while (runOne(*this, nowNs)) {
    }
    arm();
  }

  asio::steady_timer timer;
  std::int64_t armedFor = INT64_MAX;
};

SystemClock::SystemClock(asio::io_context& io) : state_(std::make_shared<State>(io)) {}
SystemClock::~SystemClock() = default;

TimePoint SystemClock::now() const { return TimePoint{std::chrono::steady_clock::now().time_since_epoch().count()}; }

std::int64_t SystemClock::wallNs() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::unique_ptr<Clock::Timer> SystemClock::callAt(TimePoint when, std::function<void()> callback) {
  auto timer = add(state_, when, std::move(callback));
  state_->arm();
  return timer;
}

// ---- ManualClock

struct ManualClock::State : Queue {
  explicit State(asio::io_context& context) : io(context) {}
  void settle() {
    // The loop has work for ever while servers listen; poll() runs just what is ready.
    io.restart();
    while (io.poll() > 0) {
    }
  }
  asio::io_context& io;
  std::int64_t nowNs = 1'000'000'000;
  std::int64_t wallAheadNs = 0;
};

ManualClock::ManualClock(asio::io_context& io) : state_(std::make_shared<State>(io)) {}
ManualClock::~ManualClock() = default;

TimePoint ManualClock::now() const { return TimePoint{state_->nowNs}; }
std::int64_t ManualClock::wallNs() const { return 1'700'000'000'000'000'000 + state_->nowNs + state_->wallAheadNs; }
void ManualClock::setWall(Duration ahead) { state_->wallAheadNs = ahead.count(); }

std::unique_ptr<Clock::Timer> ManualClock::callAt(TimePoint when, std::function<void()> callback) {
  return add(state_, when, std::move(callback));
}

void ManualClock::advance(Duration duration) {
  const std::int64_t end = state_->nowNs + duration.count();
  state_->settle();
  while (!state_->pending.empty() && state_->pending.begin()->first <= end) {
    state_->nowNs = std::max(state_->nowNs, state_->pending.begin()->first);
    runOne(*state_, state_->nowNs);
    state_->settle();
  }
  state_->nowNs = end;
}

bool ManualClock::advanceToNext(Duration limit) {
  state_->settle();
  if (state_->pending.empty() || state_->pending.begin()->first > state_->nowNs + limit.count()) return false;
  state_->nowNs = std::max(state_->nowNs, state_->pending.begin()->first);
  runOne(*state_, state_->nowNs);
  state_->settle();
  return true;
}

}  // namespace vcfs
