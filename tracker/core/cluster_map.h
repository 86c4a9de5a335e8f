#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/runtime/clock.h"
#include "tracker/core/placement.h"

namespace vcfs::tracker {

// A storage server as this tracker knows it: what is durable (from the catalog) and what is live.
struct StorageServer {
  StorageId id = 0;
  std::string name;
  std::string group;
  std::string zone;
  std::string address;
  std::string dataDirectory;
  bool draining = false;       // nothing new is placed there, what it has is moved away
  std::int64_t awaySince = 0;  // wall clock, as the coordinator noted it in the catalog; 0: it is there
  std::uint64_t instance = 0;  // of its process; 0: not seen since this tracker started
  bool connected = false;      // it has a session here
  std::uint64_t session = 0;   // the one that registered it last
  TimePoint lastHeard;
  std::optional<TimePoint> lostAt;  // when its last session ended
  std::uint64_t capacityBytes = 0;
  std::uint64_t freeBytes = 0;
  std::uint32_t liveFiles = 0;
  std::uint64_t bytesToGo = 0;
  std::uint64_t loadBytesPerSecond = 0;
  bool checking = false;          // what a power cut took: it takes part in nothing yet
  std::uint32_t placedSince = 0;  // files placed here by this tracker since the last heartbeat
};

// The live map of storage servers. No I/O; the time comes in with each call.
class ClusterMap {
 public:
  struct Options {
    Duration unreachableAfter = std::chrono::seconds(3);  // without a heartbeat
    Duration settleTime = std::chrono::seconds(3);        // after the start or a loss: known servers are waited for
    std::uint64_t minFreeBytes = 64u << 20;
    std::uint32_t defaultCopies = 2;
  };
  ClusterMap(Options options, TimePoint start) : options_(options), start_(start) {}

  // From the catalog, at the start and once a second: of a connected server only what no registration says.
  void load(StorageServer known);
  void retain(const std::set<StorageId>& known);  // the others were removed
  void registered(StorageServer server, TimePoint now);
  struct Heartbeat {
    std::uint64_t capacityBytes = 0;
    std::uint64_t freeBytes = 0;
    std::uint32_t liveFiles = 0;
    std::uint64_t bytesToGo = 0;
    std::uint64_t loadBytesPerSecond = 0;
    bool checking = false;
  };
  bool heartbeat(StorageId id, const Heartbeat& beat, TimePoint now);  // false: not registered here
  // False: another session has registered it since. One process may have two, after the network was cut.
  bool disconnected(StorageId id, std::uint64_t session, TimePoint now);
  void placed(StorageId id);
  // Servers that are there and have little room left for new files: less than `minFreeBytes` and a tenth of the disk.
  std::vector<StorageId> shortOfRoom(TimePoint now) const;
  void setAwaySince(StorageId id, std::int64_t since);
  // Called at the start, and then about four times a second: how long this tracker stood still counts neither as time
  // in which servers could have been heard of, nor against those that are silent or lost since.
  void tick(TimePoint now);
  bool settling(TimePoint now) const { return now - start_ < options_.settleTime || standsStill(now); }

  bool alive(StorageId id, TimePoint now) const;
  const StorageServer* find(StorageId id) const;
  const StorageServer* findByName(const std::string& name) const;
  const std::map<StorageId, StorageServer>& servers() const { return servers_; }
  std::string address(StorageId id) const;  // empty when unknown
  const Options& options() const { return options_; }

  // Shared and immutable; made anew when something changed or 100 ms have passed.
  std::shared_ptr<const PlacementView> view(TimePoint now);

 private:
  bool isAlive(const StorageServer& server, TimePoint now) const;
  bool justLost(const StorageServer& server, TimePoint now) const;
  bool standsStill(TimePoint now) const;
  std::shared_ptr<const PlacementView> makeView(TimePoint now) const;

  Options options_;
  TimePoint start_;                  // and for how long it stood still since
  std::optional<TimePoint> ticked_;  // nothing: nobody calls tick()
  std::optional<TimePoint> stoodTo_;
  std::map<StorageId, StorageServer> servers_;
  std::shared_ptr<const PlacementView> view_;
  TimePoint viewMade_;
};

}  // namespace vcfs::tracker
