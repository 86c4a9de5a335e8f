#pragma once

// Implementation of call.h's template.
#include <optional>

namespace vcfs::rpc {

namespace detail {

// What one await() waits on; lives in its coroutine's frame, so a destroyed frame drops the promise first.
class Wait {
 public:
  explicit Wait(asio::io_context& io) : wake_(io) { wake_.expires_at(asio::steady_timer::time_point::max()); }
  void finish() {
    done_ = true;
    wake_.cancel();
  }
  void expire() {
    expired_ = true;
    wake_.cancel();
  }
  // Until finish(), expire() or cancellation; throws Error for the latter two.
  Task<void> run(Clock& clock, Duration limit);
  void fail(kj::Exception&& exception) {
    failure_.emplace(fromKj(exception));
    finish();
  }
  void rethrow() {
    if (failure_) throw *failure_;
  }
  bool done() const { return done_; }

 private:
  asio::steady_timer wake_;
  std::optional<Error> failure_;
  bool done_ = false;
  bool expired_ = false;
};

}  // namespace detail

template <class T>
Task<T> await(Runtime& runtime, kj::Promise<T> promise, Duration limit) {
  detail::Wait wait(runtime.io);
  if constexpr (std::is_void_v<T>) {
    kj::Promise<void> pending =
        promise.then([&wait] { wait.finish(); }, [&wait](kj::Exception&& e) { wait.fail(kj::mv(e)); })
            .eagerlyEvaluate(nullptr);
    co_await wait.run(runtime.clock, limit);
    wait.rethrow();
  } else {
    std::optional<T> value;
    kj::Promise<void> pending = promise
                                    .then(
                                        [&wait, &value](T&& v) {
                                          value.emplace(kj::mv(v));
                                          wait.finish();
                                        },
                                        [&wait](kj::Exception&& e) { wait.fail(kj::mv(e)); })
                                    .eagerlyEvaluate(nullptr);
    co_await wait.run(runtime.clock, limit);
    wait.rethrow();
    co_return kj::mv(*value);
  }
}

}  // namespace vcfs::rpc
