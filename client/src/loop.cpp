#include "vcfs/loop.h"

#include "common/rpc/system_runtime.h"

namespace vcfs {

struct Loop::Impl : SystemRuntime {
  std::size_t running = 0;
  std::exception_ptr failure;
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

Runtime& Loop::runtime() { return impl_->runtime; }
asio::io_context& Loop::io() { return impl_->io; }

void Loop::spawn(Task<void> task) {
  ++impl_->running;
  asio::co_spawn(impl_->io, std::move(task), [impl = impl_.get()](std::exception_ptr error) {
    if (error && !impl->failure) impl->failure = error;
    if (--impl->running == 0 || error) impl->io.stop();
  });
}

void Loop::run() {
  impl_->io.restart();
  auto work = asio::make_work_guard(impl_->io);
  impl_->io.run();
  if (auto failure = std::exchange(impl_->failure, nullptr)) std::rethrow_exception(failure);
}

void Loop::stop() { impl_->io.stop(); }

}  // namespace vcfs
