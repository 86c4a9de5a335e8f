#pragma once

#include <cstdint>
#include <functional>
#include <random>

#include "common/runtime/clock.h"

namespace vcfs {

class Transport;

// What a part of vcfs needs from its surroundings; every service and the client library take one by reference. In a
// daemon it is made by main(), in a test by the test: several daemons can share one in one process.
// Everything in it is used on the loop's thread only.
struct Runtime {
  asio::io_context& io;
  Clock& clock;
  Transport& transport;    // common/rpc/transport.h
  std::mt19937_64 random;  // seeded from the system in daemons, by hand in tests

  // Starts a coroutine that nobody waits for. An exception that leaves it is logged as `task.failed` with `what`
  // (operation_aborted is silent: it means shutdown).
  void spawn(const char* what, Task<void> task);
};

}  // namespace vcfs
