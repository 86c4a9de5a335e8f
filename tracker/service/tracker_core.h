#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/runtime/runtime.h"
#include "tracker/catalog/catalog.h"
#include "tracker/core/applicants.h"
#include "tracker/core/cluster_map.h"
#include "tracker/core/lock_grace.h"
#include "tracker/ops/operations.h"
#include "tracker/service/census.h"
#include "tracker/service/id_source.h"
#include "tracker/service/inode_count.h"
#include "tracker/service/name_recall.h"
#include "tracker/service/options.h"
#include "tracker/service/peers.h"
#include "tracker/service/sole_lease.h"
#include "tracker/service/storage_links.h"
#include "tracker/service/trash_space.h"
#include "tracker/service/watch_hub.h"

namespace vcfs::tracker {

// A connection to this tracker, as its hello() introduced it.
struct Session {
  std::uint64_t id = 0;
  ClientId client = 0;
  std::string kind;  // "mount", "httpd", "cli", "library", "storage", "tracker"; empty before hello()
  std::string host;
  std::string path;
  std::string peer;       // host:port
  StorageId storage = 0;  // after registerStorage()
  std::weak_ptr<rpc::Connection> connection;
};

// How far the files of a server that is to be removed by force were looked through, for the calls that repeat it.
struct RemovalCount {
  ops::Request request;  // that it was done for
  ops::CensusPage total;
  InodeId after = 0;
  bool whole = false;
  TimePoint at;
};

// What all sessions of one tracker share, and the verbs the handlers are made of. Loop thread only; held alive by
// everything that uses it.
class TrackerCore : public std::enable_shared_from_this<TrackerCore> {
 public:
  TrackerCore(Runtime& runtime, Catalog& catalog, TrackerOptions options);

  // Makes the root directory of a new catalog and loads the known servers. Throws Error.
  Task<void> start();
  void stop();

  // One change of the namespace: committed, told to watchers, and recognised when it is a repeat. `names`: all that it
  // makes, changes or takes away.
  using Mutation = std::function<Task<ops::Outcome>(SqlTx&)>;
  Task<ops::Outcome> mutate(ClientId origin, ops::Request request, ops::RequestOp op, std::vector<ops::NameAt> names,
                            Mutation mutation);
  ops::Occasion occasion(ops::Request request);
  // Where the servers are, for clients. A server that is not known here leaves no address, and is learned of.
  void fillAddresses(Layout& layout);
  void fillAddresses(ops::Outcome& outcome);

  // ops::reportFailure(), after those who may follow a lost primary were asked.
  Task<std::vector<ops::LayoutChange>> loseReplicas(std::vector<ops::FailedReplica> failed, StorageId reporter);
  // Layouts that changed: watchers hear of it, the servers are asked to adopt them. Waits for the new primaries for at
  // most `wait`; the rest goes on behind. `left`: servers that lost their place in them are told too.
  Task<void> announce(std::vector<Layout> layouts, StorageId reporter, Duration wait, std::vector<StorageId> left = {});
  // The layout is newer than the one of epoch `known`, and was not announced from here: perhaps it was changed by the
  // very request that asks, which was committed before and whose answer was lost.
  bool isNews(const Layout& layout, Epoch known) const;

  // Servers that another tracker may have registered.
  Task<void> loadStorages();
  bool hasSession(ClientId client) const;

  Runtime& runtime;
  Catalog& catalog;
  const TrackerOptions options;
  const ClientId self;  // this process, towards storage servers and peers
  ClusterMap map;
  LockGrace lockGrace;
  Applicants applicants;
  WatchHub hub;
  NameRecall names;
  StorageLinks storages;
  std::shared_ptr<IdSource> ids;
  std::shared_ptr<Peers> peers;
  std::shared_ptr<Census> census;
  std::shared_ptr<InodeCount> inodes;
  std::shared_ptr<TrashSpace> trash;
  std::shared_ptr<SoleLease> sole;
  std::map<std::uint64_t, std::shared_ptr<Session>> sessions;
  std::map<StorageId, RemovalCount> removalCounts;
  ops::ClusterRow cluster;
  Lease lease;  // the coordinator's, as last seen
  bool stopped = false;

 private:
  Task<std::map<InodeId, Standings>> askHeirs(std::vector<ops::LayoutChange> files, bool hurry);
  Task<void> adoptOne(Layout layout, StorageId storage, std::shared_ptr<std::size_t> awaited,
                      std::shared_ptr<Signal> done);
  void learnStorages();
  Task<void> learn();

  bool learning_ = false;
  std::unordered_map<InodeId, Epoch> announced_;  // bounded: forgotten when there are too many
};

}  // namespace vcfs::tracker
