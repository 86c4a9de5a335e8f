#pragma once

#include <memory>
#include <string>

#include "common/rpc/connection.h"
#include "tracker/service/coordinator.h"
#include "tracker/service/tracker_core.h"

namespace vcfs::tracker {

// A tracker: answers schema/tracker.capnp at options.listen. A daemon has one; a test may have several in one process,
// each with its own Runtime's transport. The catalog must outlive it. Loop thread only.
class TrackerService {
 public:
  TrackerService(Runtime& runtime, Catalog& catalog, TrackerOptions options);
  ~TrackerService();

  // Prepares the catalog, then listens. Throws Error.
  Task<void> start();
  // Ends sessions and background work; calls under way finish by themselves.
  void stop();
  const std::string& address() const { return server_->address(); }  // with the real port
  TrackerCore& core() { return *core_; }
  bool coordinates() const { return coordinator_->holdsLease(); }

 private:
  capnp::Capability::Client accept(std::shared_ptr<rpc::Connection> connection);

  std::shared_ptr<TrackerCore> core_;
  std::shared_ptr<Coordinator> coordinator_;
  std::unique_ptr<rpc::Server> server_;
  std::uint64_t nextSession_ = 0;
};

}  // namespace vcfs::tracker
