#include "common/async/signal.h"

namespace vcfs {

struct Signal::Waiter {
  explicit Waiter(Signal& s) : signal(s), wake(s.io_) {
    wake.expires_at(asio::steady_timer::time_point::max());
    position = signal.waiters_.insert(signal.waiters_.end(), this);
  }
  ~Waiter() {
    if (!notified) signal.waiters_.erase(position);
  }
  Signal& signal;
  asio::steady_timer wake;
  std::list<Waiter*>::iterator position;
  bool notified = false;
};

Task<void> Signal::wait() {
  Waiter waiter(*this);
  asio::error_code ignored;
  co_await waiter.wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (!waiter.notified) throw asio::system_error(asio::error::operation_aborted);
}

Task<bool> Signal::waitFor(Clock& clock, Duration limit) {
  Waiter waiter(*this);
  bool late = false;
  auto timer = clock.callAt(clock.now() + limit, [&] {
    late = true;
    waiter.wake.cancel();
  });
  asio::error_code ignored;
  co_await waiter.wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (waiter.notified) co_return true;
  if (!late) throw asio::system_error(asio::error::operation_aborted);
  co_return false;
}

void Signal::notifyAll() {
  for (Waiter* waiter : waiters_) {
    waiter->notified = true;
    waiter->wake.cancel();
  }
  waiters_.clear();
}

Task<AsyncMutex::Lock> AsyncMutex::lock() {
  while (held_) co_await signal_.wait();
  held_ = true;
  co_return Lock(this);
}

void AsyncMutex::unlock() {
  held_ = false;
  signal_.notifyAll();
}

}  // namespace vcfs
