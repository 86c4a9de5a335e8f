#pragma once

#include <random>

#include "common/rpc/kj_loop.h"
#include "common/rpc/tcp_transport.h"
#include "common/runtime/runtime.h"

namespace vcfs {

// The real surroundings of a process: one loop with KJ on it, the machine's clocks, TCP. Made and destroyed on the
// thread that runs the loop. Its destruction first destroys the coroutines and handlers that still wait, while what
// they refer to is there.
struct SystemRuntime {
  SystemRuntime() : kj(io), clock(io), transport(io, clock), runtime{io, clock, transport, std::mt19937_64(seed())} {}
  ~SystemRuntime() { io.shutdown(); }
  SystemRuntime(const SystemRuntime&) = delete;

  struct Context : asio::io_context {
    Context() : asio::io_context(1) {}
    using asio::execution_context::shutdown;
  };
  Context io;
  rpc::KjLoop kj;
  SystemClock clock;
  TcpTransport transport;
  Runtime runtime;

 private:
  static std::mt19937_64::result_type seed() {
    std::random_device device;
    return (std::uint64_t{device()} << 32) | device();
  }
};

}  // namespace vcfs
