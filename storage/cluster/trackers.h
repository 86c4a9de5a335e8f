#pragma once

#include "common/async/signal.h"
#include "common/rpc/connection.h"
#include "schema/tracker.capnp.h"
#include "storage/options.h"
#include "storage/store/store.h"
#include "vcfs/types.h"

namespace vcfs::storage {

// What a heartbeat tells.
struct Heartbeat {
  DiskSpace space;
  std::uint32_t liveFiles = 0;
  std::uint64_t bytesToGo = 0;
  std::uint64_t loadBytesPerSecond = 0;
  bool checking = false;  // what a power cut took: no file can be opened here
};

struct LostReplica {
  InodeId inode = 0;
  Epoch epoch = 0;
  StorageId storage = 0;
};

struct SizeReport {
  InodeId inode = 0;
  Epoch epoch = 0;
  std::uint64_t size = 0;
  std::int64_t mtimeNs = 0;
  std::uint64_t blocks = 0;
  FileState state = FileState::open;
  std::int64_t order = 0;  // higher in each later report
};

// The sessions with all trackers: registration and heartbeats go to every one, questions to whichever answers first in
// the order in which they are connected. Loop thread only.
class Trackers {
 public:
  struct Hooks {
    std::function<Task<void>()> ready;  // ends when this server may be counted as there
    std::function<Task<Heartbeat>()> heartbeat;
    std::function<void()> registered;  // at any tracker, again after each reconnect
    // The first time, or when it changed: durable when it ends, throws Error when it is not.
    std::function<Task<void>(StorageId, std::string cluster, std::string uuid)> identity;
    std::function<Task<bool>()> empty;  // no replica is on the disk
  };
  Trackers(Runtime& runtime, const Options& options, Store& store, Hooks hooks);
  ~Trackers();
  void start(std::string address);  // this server's own address as others reach it
  void stop();

  StorageId storageId() const { return storageId_; }  // 0 until it is known
  const std::string& cluster() const { return cluster_; }
  const std::string& uuid() const { return uuid_; }  // the cluster's; empty until the disk has it
  bool connected() const;
  std::vector<std::string> addresses() const;

  // Each asks one tracker after the other, each for at most options.trackerLimit; throws Error(unavailable) when none
  // answered. Lists may be as long as one call allows (1000).
  Task<std::vector<Layout>> reportFailure(std::vector<LostReplica> lost);
  // The present layouts of those whose report was ignored because its epoch is over.
  Task<std::vector<Layout>> reportFiles(std::vector<SizeReport> files);
  Task<void> syncCatalog();  // on return what trackers answered before is on stable storage
  Task<Layout> caughtUp(InodeId inode, Epoch epoch);
  Task<Layout> present(InodeId inode);  // as the catalog has it; throws Error(notFound) when the file is gone
  struct StalePage {
    std::vector<Layout> layouts;
    bool more = false;
  };
  Task<StalePage> staleReplicas(InodeId after);
  Task<StalePage> replicasHere(InodeId after);  // in sync, as the catalog has it

 private:
  struct Link;
  template <class Results>
  static capnp::Response<Results> responseTo(capnp::RemotePromise<Results> promise);  // declared only: for its type
  template <class Build>
  using AnswerTo = decltype(responseTo(std::declval<Build&>()(std::declval<schema::Tracker::Client&>())));
  template <class Build, class Read>
  using ReadBy = decltype(std::declval<Read&>()(std::declval<AnswerTo<Build>&>()));
  template <class Build, class Read>
  auto ask(Build build, Read read) -> Task<ReadBy<Build, Read>>;
  Task<void> maintain(std::shared_ptr<Link> link);
  Task<void> openSession(std::shared_ptr<Link> link);
  Task<void> registerAt(std::shared_ptr<Link> link);
  Task<void> takeIdentity(StorageId id, std::string cluster, std::string uuid);
  void checkIdentity(StorageId id, const std::string& cluster, const std::string& uuid) const;
  Task<bool> beat(std::shared_ptr<Link> link);
  void learn(const std::string& address);
  std::vector<std::shared_ptr<Link>> up() const;

  Runtime& runtime_;
  const Options& options_;
  Store& store_;
  Hooks hooks_;
  std::string address_;
  std::uint64_t instance_;
  StorageId storageId_;  // as the disk has it, like the cluster and its uuid
  StorageId given_ = 0;  // by a tracker, with the cluster; the disk may not have taken it yet
  std::string givenCluster_;
  std::string givenUuid_;
  bool takingIdentity_ = false;
  std::string cluster_;
  std::string uuid_;
  std::vector<std::shared_ptr<Link>> links_;
  std::shared_ptr<Signal> stopping_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace vcfs::storage
