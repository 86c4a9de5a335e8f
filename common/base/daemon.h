#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/base/settings.h"
#include "common/runtime/runtime.h"

namespace vcfs {

// What every daemon can be told.
struct DaemonSettings {
  std::string readyFile;                // made with the pid once the daemon answers, removed at its end; "": none
  std::int64_t spinMicroseconds = 200;  // runtime/idle_spin.h

  void addTo(Settings& settings);  // as options of a command line; outlives the parsing
};

// The frame of every daemon's main(): one loop, KJ on it, the TCP transport, the system's clock, signals.
class Daemon {
 public:
  Daemon();
  ~Daemon();
  Runtime& runtime();

  // Runs `start` as a coroutine (an Error from it is printed as one message, exit 1), tells systemd (sd_notify, when
  // NOTIFY_SOCKET is set) and anybody waiting for the ready file that the daemon is ready, and runs until SIGTERM or
  // SIGINT; then runs `stop` (at most 10 s) and returns the exit code.
  int run(std::function<Task<void>()> start, std::function<Task<void>()> stop, const DaemonSettings& settings = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The rest of main(): what `body` throws, be it of vcfs or of a library, is one message on standard error, and `code`
// the exit code.
int reportingFailure(const std::function<int()>& body, int code = 1);

}  // namespace vcfs
