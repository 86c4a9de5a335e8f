#pragma once

#include <kj/async.h>

#include "common/runtime/task.h"

namespace vcfs::rpc {

// Runs Cap'n Proto's KJ event loop on an Asio io_context. Make one per thread, on the thread that runs `io`, before any
// RPC object; it must outlive them and every handler of `io`. KJ's wait() is never used, and KJ's cross-thread
// fulfillers do not work on it: cross threads with asio::post only.
class KjLoop {
 public:
  explicit KjLoop(asio::io_context& io);
  ~KjLoop();

 private:
  struct Port;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vcfs::rpc
