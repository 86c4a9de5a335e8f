#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/base/settings.h"
#include "tracker/core/cluster_map.h"
#include "tracker/core/id_pool.h"
#include "tracker/core/lease.h"

namespace vcfs::tracker {

// How a tracker behaves; main() fills it from the settings, tests by hand.
struct TrackerOptions {
  std::string listen = "127.0.0.1:21000";
  std::string advertise;  // how others reach this tracker; empty: `listen`
  std::string cluster = "vcfs";
  std::vector<std::string> trackers;   // all of them, this one too; empty: this one only
  std::vector<std::string> idservers;  // empty: ids come from the catalog
  std::chrono::milliseconds trashRetention{600'000};
  std::chrono::milliseconds pinTime{300'000};   // an open file without a name is kept so long after a host told of it
  std::chrono::milliseconds sealAfter{15'000};  // files left open without a writer
  std::chrono::milliseconds reserveInterval{5'000};  // between two looks for replicas that are needed no more
  std::chrono::milliseconds requestsKept{600'000};
  std::chrono::milliseconds coordinatorInterval{1'000};
  std::chrono::milliseconds replaceAfter{600'000};  // a server away for so long is replaced: its files are copied
  std::uint64_t rebuildFiles = 512;                 // copied at the same time for servers that leave or are gone
  std::chrono::milliseconds removalBudget{5'000};   // of one call that removes a server, to count and to change
  std::chrono::milliseconds adoptWait{50};          // how long a failure report's answer waits for the new primary
  std::chrono::milliseconds callLimit{1'000};       // for an answer of another process
  std::chrono::milliseconds lockLease{10'000};  // a client not heard of for so long loses the locks that others want
  std::size_t watchBacklog = 100'000;           // changes that may wait for one watcher; then its session is closed
  ClusterMap::Options map;
  IdPool::Options ids;
  LeaseRules lease;
  SettingValues settings;  // as status tells them

  const std::string& address() const { return advertise.empty() ? listen : advertise; }
};

}  // namespace vcfs::tracker
