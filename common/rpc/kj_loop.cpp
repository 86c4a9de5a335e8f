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
  ~Impl() { port.loop = nullptr; }
  Port port;
  kj::EventLoop loop;
  kj::WaitScope scope;
};

KjLoop::KjLoop(asio::io_context& io) : impl_(std::make_unique<Impl>(io)) {}
KjLoop::~KjLoop() = default;

}  // namespace vcfs::rpc
