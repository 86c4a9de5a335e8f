#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "common/rpc/connection.h"
#include "common/rpc/kj_loop.h"
#include "common/rpc/memory_transport.h"
#include "storage/storage_service.h"
#include "tests/sim/faulty_catalog.h"
#include "tests/sim/host_clock.h"
#include "tests/sim/sim_disk.h"
#include "tracker/catalog/sqlite/sqlite_catalog.h"
#include "tracker/tracker_service.h"
#include "vcfs/cluster.h"

// A whole cluster in one process: real trackers with a catalog in SQLite, which stands for the database that they
// share, the real storage servers with disks in memory, the real client library. One loop, a network in memory, a clock
// that only the test moves, and a seed for everything that is drawn: the same seed gives the same run. With odd seeds
// the wall clocks of the hosts are up to an hour apart.
namespace vcfs::sim {

using namespace std::chrono_literals;

struct Host {
  Host(asio::io_context& io, Clock& time, MemoryNetwork& network, const std::string& name, std::uint64_t seed,
       Duration wallOffset)
      : clock(io, time, wallOffset), transport(network, name), runtime{io, clock, transport, std::mt19937_64(seed)} {}
  HostClock clock;
  MemoryTransport transport;
  Runtime runtime;
};

class SimCluster {
 public:
  // Starts trackers ("t1" …) and storage servers 1…`storages` ("s1" …), which are in one group and zones of their own.
  // diskTime: how long a job of a disk takes; nothing: no time, in the very call. copies: of every file.
  explicit SimCluster(int storages, std::uint64_t seed = 1, int trackers = 1,
                      std::function<Duration()> diskTime = nullptr, std::uint32_t copies = 2);
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
  void startTracker(int n = 1);  // the first one opens the catalog that the last one left behind
  void crashTracker(int n = 1);
  bool trackerRuns(int n = 1) const { return trackers_.contains(n); }
  int coordinators() const;  // trackers that believe to be the coordinator now
  void startStorage(int n);
  void crashStorage(int n);  // its disk stays, with what the kernel has
  void losePower(int n);     // its machine's: what was not synced is gone
  bool storageRuns(int n) const { return storages_.contains(n); }
  // Its process stands still (SIGSTOP), for its peers as if it were there; then goes on with what it was doing.
  void hang(const std::string& host);
  void goOn(const std::string& host);
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
  DiskFaults& faults(int n) { return *faults_.at(n); }   // from now on, also of the next process
  CatalogFaults& database() { return *catalogFaults_; }  // for all trackers alike
  storage::StorageService& storage(int n) { return *storages_.at(n); }
  int primary(InodeId inode);  // 0: nobody
  std::vector<int> inSync(InodeId inode);
  // At least `copies` in-sync replicas, all of them on servers that run and have told all they know, and none on the
  // way.
  bool whole(InodeId inode) { return whole(inode, copies_); }
  bool whole(InodeId inode, std::size_t copies);
  bool settled(int n);
  // It runs, has checked what it has after a start, and does not doubt its replica of this file.
  bool vouches(int n, InodeId inode);
  Host& host(const std::string& name);

  asio::io_context io{1};
  rpc::KjLoop kj{io};
  ManualClock clock{io};
  MemoryNetwork network{io, clock};

 private:
  storage::Pools pools(int n);
  Duration wallOffset() const;  // of the next host

  std::uint64_t seed_;
  int trackerCount_;
  std::uint32_t copies_;
  std::function<Duration()> diskTime_;
  std::uint64_t lives_ = 0;
  std::string directory_;  // of the catalog
  std::map<std::string, std::unique_ptr<Host>> hosts_;
  std::map<int, std::unique_ptr<storage::MemoryStore>> stores_;
  std::unique_ptr<tracker::Catalog> catalog_;
  std::vector<std::unique_ptr<tracker::Catalog>> former_;  // coroutines of a dead tracker may still look at them
  std::shared_ptr<CatalogFaults> catalogFaults_ = std::make_shared<CatalogFaults>();
  std::vector<std::unique_ptr<FaultyCatalog>> ways_;  // of each life of a tracker to the catalog
  std::map<int, std::unique_ptr<tracker::TrackerService>> trackers_;
  std::map<int, std::shared_ptr<DiskFaults>> faults_;
  std::map<int, std::unique_ptr<ProcessDisk>> disks_;
  std::vector<std::unique_ptr<ProcessDisk>> formerDisks_;  // of dead processes, which may still hold them
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
