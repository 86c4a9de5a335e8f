#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "common/rpc/connection.h"
#include "common/rpc/kj_loop.h"
#include "common/rpc/memory_transport.h"
#include "storage/storage_service.h"
#include "storage/store/memory_store.h"
#include "tracker/catalog/sqlite/sqlite_catalog.h"
#include "tracker/tracker_service.h"
#include "vcfs/cluster.h"

// A whole cluster in one process: the real tracker with a catalog in SQLite, the real storage servers with disks in
// memory, the real client library. One loop, a network in memory, a clock that only the test moves, and a seed for
// everything that is drawn: the same seed gives the same run.
namespace vcfs::sim {

using namespace std::chrono_literals;

struct Host {
  Host(asio::io_context& io, Clock& clock, MemoryNetwork& network, const std::string& name, std::uint64_t seed)
      : transport(network, name), runtime{io, clock, transport, std::mt19937_64(seed)} {}
  MemoryTransport transport;
  Runtime runtime;
};

class SimCluster {
 public:
  // Starts the tracker ("t1") and storage servers 1…`storages` ("s1" …), which are in one group and zones of their own.
  explicit SimCluster(int storages, std::uint64_t seed = 1);
  ~SimCluster();

  // ---- time
  void advance(Duration time);
  // Moves the clock from event to event until `done`; false when `limit` passed before.
  bool until(const std::function<bool()>& done, Duration limit = 60s);
  // Runs a coroutine to its end; throws what it throws, std::runtime_error when it does not end within `limit`.
  template <class T>
  T run(Task<T> task, Duration limit = 120s);
  void run(Task<void> task, Duration limit = 120s);
  Duration now() const { return Duration(clock.now().ns); }

  // ---- processes; n is the storage's number and its id in the catalog
  void startTracker();  // opens the catalog that its last life left behind
  void crashTracker();
  bool trackerRuns() const { return tracker_ != nullptr; }
  void startStorage(int n);
  void crashStorage(int n);  // its disk stays
  bool storageRuns(int n) const { return storages_.contains(n); }
  std::shared_ptr<Cluster> connect(const std::string& host, ClusterOptions options = {});

  // ---- the network
  // Nothing gets from or to `host` any more; a host that is cut off and never healed has died.
  void cutOff(const std::string& host);
  void cut(const std::string& a, const std::string& b);  // both directions
  void cutOneWay(const std::string& from, const std::string& to);
  void healAll();
  std::vector<std::string> hostNames() const;

  // ---- what is where, seen from outside
  Entry entry(InodeId inode);  // as the catalog has it
  std::string content(int n, InodeId inode) { return stores_.at(n)->content(inode); }
  storage::MemoryStore& disk(int n) { return *stores_.at(n); }
  storage::StorageService& storage(int n) { return *storages_.at(n); }
  int primary(InodeId inode);  // 0: nobody
  std::vector<int> inSync(InodeId inode);
  // At least `copies` in-sync replicas, all of them on servers that run, and none on the way.
  bool whole(InodeId inode, std::size_t copies = 2);
  Host& host(const std::string& name);

  asio::io_context io{1};
  rpc::KjLoop kj{io};
  ManualClock clock{io};
  MemoryNetwork network{io, clock};

 private:
  std::uint64_t seed_;
  std::string directory_;  // of the catalog
  std::map<std::string, std::unique_ptr<Host>> hosts_;
  std::map<int, std::unique_ptr<storage::MemoryStore>> stores_;
  std::unique_ptr<tracker::Catalog> catalog_;
  std::vector<std::unique_ptr<tracker::Catalog>> former_;  // coroutines of a dead tracker may still look at them
  std::unique_ptr<tracker::TrackerService> tracker_;
  std::map<int, std::unique_ptr<storage::StorageService>> storages_;
  std::set<std::pair<std::string, std::string>> cuts_;
};

template <class T>
Task<void> keepResult(Task<T> task, std::shared_ptr<std::optional<T>> result) {
  result->emplace(co_await std::move(task));
}

template <class T>
T SimCluster::run(Task<T> task, Duration limit) {
  // Shared with the coroutine, which outlives a run() that gave up.
  auto result = std::make_shared<std::optional<T>>();
  run(keepResult(std::move(task), result), limit);
  return std::move(**result);
}

}  // namespace vcfs::sim
