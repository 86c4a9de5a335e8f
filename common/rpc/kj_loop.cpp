#include "common/rpc/kj_loop.h"

#include <cstdlib>

namespace vcfs::rpc {

struct KjLoop::Port final : kj::EventPort {
  explicit Port(asio::io_context& context) : io(context) {}
  bool wait() override { std::abort(); }  // nobody calls Promise::wait()
  bool poll() override { return false; }
  void setRunnable(bool runnable) override {
    if (!runnable || posted) return;
    posted = true;
    asio::post(io, [this] {
      posted = false;
      if (loop != nullptr) loop->run();
    });
  }
  asio::io_context& io;
  kj::EventLoop* loop = nullptr;
  bool posted = false;
};

struct KjLoop::Impl {
  explicit Impl(asio::io_context& io) : port(io), loop(port), scope(loop) { port.loop = &loop; }
  Port port;
  kj::EventLoop loop;
  kj::WaitScope scope;
};

KjLoop::KjLoop(asio::io_context& io) : impl_(std::make_unique<Impl>(io)) {}

// KJ aborts when a loop goes with events in its queue. What is queued now belongs to calls nobody waits for any more;
// it is run, which may queue a little more, and the io_context gets nothing posted by it.
KjLoop::~KjLoop() {
  impl_->port.posted = true;
  for (int round = 0; round < 1000 && impl_->loop.isRunnable(); ++round) impl_->loop.run(1000);
  impl_->port.loop = nullptr;
}

}  // namespace vcfs::rpc
