#pragma once

#include <memory>
#include <string>

#include "common/async/signal.h"
#include "common/base/settings.h"
#include "common/runtime/blocking_pool.h"
#include "common/runtime/runtime.h"
#include "idserver/core/lease_core.h"
#include "idserver/store/range_store.h"
#include "schema/idserver.capnp.h"

namespace vcfs::idserver {

struct IdServerOptions {
  std::string cluster = "vcfs";
  std::string address;            // this server's own, for status
  std::uint64_t block = 1 << 20;  // ids made durable at once
  SettingValues settings;         // as status tells them
};

// Leases ranges. Loop thread only; one for all connections. `runtime`, `pool` and `store` outlive it.
class IdServer : public std::enable_shared_from_this<IdServer> {
 public:
  IdServer(Runtime& runtime, BlockingPool& pool, RangeStore& store, IdServerOptions options);

  // Throws Error: invalid (count not 1 … kMaxLease), noSpace, io, unavailable. What it returns is durable.
  Task<IdRange> lease(std::uint32_t count);
  // The first block, so that a store that cannot be written is noticed at start.
  Task<void> prepare();

  std::string statusJson() const;
  const IdServerOptions& options() const { return options_; }
  void setAddress(std::string address) { options_.address = std::move(address); }

  // The object that answers one connection.
  static capnp::Capability::Client bootstrap(std::shared_ptr<IdServer> self, Runtime& runtime);

 private:
  Task<void> refill(std::uint32_t count);
  Task<void> refillAhead();

  Runtime& runtime_;
  BlockingPool& pool_;
  RangeStore& store_;
  IdServerOptions options_;
  LeaseCore core_;
  AsyncMutex refilling_;
  bool ahead_ = false;  // a refill in the background is under way
};

}  // namespace vcfs::idserver
