#include "vcfs/loop.h"

#include "common/rpc/kj_loop.h"
#include "common/rpc/tcp_transport.h"
#include "common/runtime/runtime.h"

namespace vcfs {

struct Loop::Impl {
  Impl() : kj(io), clock(io), transport(io, clock), runtime{io, clock, transport, std::mt19937_64(seed())} {}

  static std::mt19937_64::result_type seed() {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
  }

  // What still waits on the loop is destroyed while KJ's loop is there.
  ~Impl() { io.shutdown(); }

  struct Context : asio::io_context {
    Context() : asio::io_context(1) {}
    using asio::execution_context::shutdown;
  };
  Context io;
  rpc::KjLoop kj;
  SystemClock clock;
  TcpTransport transport;
  Runtime runtime;
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
