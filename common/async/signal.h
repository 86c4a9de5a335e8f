#pragma once

#include <list>

#include "common/runtime/clock.h"

namespace vcfs {

// Lets coroutines wait for a condition that others change: `while (!ready()) co_await signal.wait();`.
// Loop thread only. Waiters must be gone before the Signal is (hold the owner alive in the coroutine).
class Signal {
 public:
  explicit Signal(asio::io_context& io) : io_(io) {}
  Task<void> wait();                                 // until the next notifyAll()
  Task<bool> waitFor(Clock& clock, Duration limit);  // false when `limit` passed first
  void notifyAll();
  bool hasWaiters() const { return !waiters_.empty(); }

 private:
  struct Waiter;
  asio::io_context& io_;
  std::list<Waiter*> waiters_;
};

// Mutual exclusion of coroutines in first-come order. `auto lock = co_await mutex.lock();`
class AsyncMutex {
 public:
  explicit AsyncMutex(asio::io_context& io) : signal_(io) {}
  class Lock {
   public:
    explicit Lock(AsyncMutex* m) : mutex_(m) {}
    Lock(Lock&& o) noexcept : mutex_(std::exchange(o.mutex_, nullptr)) {}
    Lock& operator=(Lock&&) = delete;
    ~Lock() {
      if (mutex_) mutex_->unlock();
    }

   private:
    AsyncMutex* mutex_;
  };
  Task<Lock> lock();

 private:
  void unlock();
  Signal signal_;
  bool held_ = false;
};

}  // namespace vcfs
