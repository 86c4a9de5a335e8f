#pragma once

#include <memory>

#include "common/runtime/task.h"

namespace vcfs {

struct Runtime;

// What the coroutine face (vcfs/cluster.h) runs on, for programs that have nothing of the kind: an event loop with the
// system's clock and TCP. Make it on the thread that will call run(); use it and everything made with it on that thread
// only (other threads come in with asio::post(loop.io(), …)). Destroy every Cluster and File before it.
//
//   vcfs::Loop loop;
//   loop.spawn(record(loop.runtime()));
//   loop.run();
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  Runtime& runtime();
  asio::io_context& io();
  // Starts a coroutine. An exception that leaves it is rethrown by run().
  void spawn(Task<void> task);
  // Runs until stop(), or until everything that was spawned has ended.
  void run();
  void stop();  // from any thread

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vcfs
