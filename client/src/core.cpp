#include "client/src/core.h"

#include "client/src/lag_queue.h"

namespace vcfs::client {

Core::Core(Runtime& rt, ClusterOptions o, ClientId id)
    : runtime(rt),
      options(std::move(o)),
      clientId(id),
      trackers(std::make_shared<TrackerSession>(runtime, options, id)),
      storages(std::make_shared<StoragePool>(runtime, options, id)),
      failures(std::make_shared<FailureReporter>(runtime, trackers)),
      lags(std::make_shared<LagQueue>(runtime, Duration(options.maxLag) / 5)),
      sendBudget(runtime.io, options.sendWindowTotal),
      readBudget(runtime.io, options.readAheadTotal) {
  storages->onlyOf([session = trackers] { return session->uuid(); });
}

}  // namespace vcfs::client
