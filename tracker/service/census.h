#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/async/signal.h"
#include "common/runtime/runtime.h"
#include "tracker/catalog/catalog.h"
#include "tracker/core/cluster_map.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker {

// How many files and bytes are still to be copied, for `vcfs status` and `vcfs storage list`. Counted in pages when
// somebody asks, one count at a time; an answer is at most a second older than the question, or, in a catalog so large
// that counting takes longer, the last that is complete. Loop thread only; held alive by its coroutines.
class Census : public std::enable_shared_from_this<Census> {
 public:
  struct Server {
    std::uint64_t files = 0;     // with an in-sync replica on it
    std::uint64_t bytes = 0;     // of these
    std::uint64_t onlyHere = 0;  // files of which no other replica is in sync
    std::string example;         // one of these, by its path at creation
    std::uint64_t behind = 0;    // replicas on it that are syncing or stale, as far as 1000
    std::uint64_t removals = 0;  // replicas that it has still to delete, as far as 1000
  };
  struct Result {
    std::uint64_t degraded = 0;           // files that lack a reachable in-sync replica, sealed ones too
    std::uint64_t bytesToGo = 0;          // of the replicas that they lack
    std::map<StorageId, Server> servers;  // those that are away or being emptied
    bool complete = true;                 // false: there is more than was counted
  };

  Census(Runtime& runtime, Catalog& catalog, const ClusterMap& map);
  Task<std::shared_ptr<const Result>> get();
  void stop();

 private:
  Task<void> count();
  Task<void> countAll(std::shared_ptr<Result> result);
  Task<void> countPages(std::shared_ptr<Result> result, StorageId storage);

  Runtime& runtime_;
  Catalog& catalog_;
  const ClusterMap& map_;
  Signal done_;
  std::shared_ptr<const Result> last_;
  TimePoint made_;
  bool counting_ = false;
  bool stopped_ = false;
};

}  // namespace vcfs::tracker
