#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/async/signal.h"
#include "common/rpc/connection.h"
#include "common/runtime/runtime.h"
#include "tracker/catalog/catalog.h"
#include "tracker/core/id_pool.h"

namespace vcfs::tracker {

// Unique ids, leased ahead from the ID servers (any of them; the next one when one does not answer), or from the
// catalog when there is none. Taking one does not wait as long as ranges come in time. Loop thread only.
class IdSource : public std::enable_shared_from_this<IdSource> {
 public:
  IdSource(Runtime& runtime, Catalog& catalog, std::vector<std::string> servers, IdPool::Options options);

  void start();
  void stop();
  // Waits for at most 2 s when every leased id is used up; then throws unavailable.
  Task<std::uint64_t> take();

  struct ServerState {
    std::string address;
    bool live = false;
  };
  // Asks each server that is not known to be live; for status. At most 300 ms in all.
  Task<std::vector<ServerState>> probe();

 private:
  struct Server {
    std::string address;
    std::shared_ptr<rpc::Connection> connection;
  };
  void refillIfLow();
  Task<void> refill();
  Task<bool> leaseFromAny();
  Task<bool> leaseFrom(std::size_t index);
  Task<void> leaseFromCatalog();
  Task<void> connect(std::size_t index, Duration limit);
  Task<void> probeOne(std::size_t index, std::shared_ptr<std::vector<ServerState>> states,
                      std::shared_ptr<std::size_t> waiting, std::shared_ptr<Signal> done);

  Runtime& runtime_;
  Catalog& catalog_;
  std::vector<Server> servers_;
  IdPool pool_;
  Signal arrived_;
  std::size_t preferred_ = 0;
  bool refilling_ = false;
  bool stopped_ = false;
};

}  // namespace vcfs::tracker
