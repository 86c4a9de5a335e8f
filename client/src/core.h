#pragma once

#include <memory>
#include <unordered_map>

#include "client/src/budget.h"
#include "client/src/core/clock_lead.h"
#include "client/src/failure_reporter.h"
#include "client/src/storage_pool.h"
#include "client/src/tracker_session.h"

namespace vcfs::client {

class LagQueue;
class FileNode;

// What all files of one Cluster share. Loop thread only.
struct Core {
  Core(Runtime& rt, ClusterOptions o, ClientId id);

  TimePoint now() const { return runtime.clock.now(); }

  Runtime& runtime;
  const ClusterOptions options;
  const ClientId clientId;
  std::shared_ptr<TrackerSession> trackers;
  std::shared_ptr<StoragePool> storages;
  std::shared_ptr<FailureReporter> failures;
  std::shared_ptr<LagQueue> lags;
  Budget sendBudget;
  Budget readBudget;
  ClockLead clockLead;
  // Above every write sequence this client ever used, so that a file which is opened again goes on counting upwards.
  std::uint64_t sequenceFloor = 0;
  std::uint64_t requestSequence = 0;                           // of RequestIds
  std::unordered_map<InodeId, std::weak_ptr<FileNode>> nodes;  // files in use
  std::function<void(InodeId)> nameless;                       // a file that is open here has no name any more
};

// The RequestId of one mutating call at the trackers; made once, put into every attempt.
class RequestTag {
 public:
  explicit RequestTag(Core& core) : client_(core.clientId), sequence_(++core.requestSequence) {}
  void fill(schema::RequestId::Builder builder) const {
    builder.setClient(client_);
    builder.setSequence(sequence_);
  }

 private:
  ClientId client_;
  std::uint64_t sequence_;
};

}  // namespace vcfs::client
