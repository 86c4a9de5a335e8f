#pragma once

#include <functional>
#include <string>

#include "common/runtime/runtime.h"

namespace vcfs {

// The frame of every daemon's main(): one loop, KJ on it, the TCP transport, the system's clock, signals.
class Daemon {
 public:
  Daemon();
  ~Daemon();
  Runtime& runtime();

  // Runs `start` as a coroutine (an Error from it is printed as one message, exit 1), tells systemd (sd_notify, when
  // NOTIFY_SOCKET is set) and anybody waiting for `readyFile` (created with the pid; "" for none) that the daemon is
  // ready, and runs until SIGTERM or SIGINT; then runs `stop` (at most 10 s) and returns the exit code.
  int run(std::function<Task<void>()> start, std::function<Task<void>()> stop, const std::string& readyFile = "");

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vcfs
