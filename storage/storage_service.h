#pragma once

#include <memory>
#include <string>

#include "common/runtime/runtime.h"
#include "storage/node.h"
#include "storage/options.h"
#include "storage/store/store.h"

namespace vcfs::rpc {
class Server;
}

namespace vcfs::storage {

// A storage server in one object: answers RPCs at options.listen, talks to the other storages and the trackers.
// In a daemon main.cpp makes one; in tests several can live in one process. Loop thread only. `runtime` and `store`
// must outlive it, and the loop must run until stop() has ended.
class StorageService {
 public:
  StorageService(Runtime& runtime, Store& store, Pools pools, Options options);
  ~StorageService();

  // Listens and begins to register at the trackers. Throws Error(unavailable) when the port is taken.
  void start();
  // Stops listening, gives what is under way a second, tells trackers the sizes. The destructor without it is a crash.
  Task<void> stop();

  const std::string& address() const;  // what others use to reach it
  Node& node() { return *node_; }

 private:
  Runtime& runtime_;
  NodePtr node_;
  std::unique_ptr<rpc::Server> server_;
  std::string address_;
};

}  // namespace vcfs::storage
