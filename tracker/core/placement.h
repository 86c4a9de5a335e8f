#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/ids.h"

// Where new replicas go. Plain decisions on a picture of the storage servers; no I/O, no clock.
namespace vcfs::tracker {

// A storage server as placement sees it.
struct Server {
  StorageId id = 0;
  std::string group;
  std::string zone;
  bool alive = false;
  bool leaving = false;   // it is being emptied: nothing new goes there
  bool checking = false;  // what a power cut took: who is sent there waits, perhaps for minutes
  std::uint64_t capacityBytes = 0;
  std::uint64_t freeBytes = 0;
  std::uint64_t load = 0;  // bytes per second now being written, plus an allowance for each live file
};

// An immutable picture, shared with the operations that are under way.
struct PlacementView {
  std::vector<Server> servers;
  // Groups of which a server was here until a moment ago. It may be this tracker that has stood still and lost them
  // all: that the rest have no room means nothing yet.
  std::set<std::string> justLost;
  std::set<std::string> settling;   // groups whose known servers have not all reported yet after this tracker's start
  std::uint64_t minFreeBytes = 0;   // a server with less has no room
  std::uint32_t defaultCopies = 2;  // of a group that the catalog does not have yet
  std::string defaultGroup = "g1";  // used when there is no server at all to choose a group by

  const Server* find(StorageId id) const;
  bool hasRoom(const Server& server) const {
    return server.alive && !server.leaving && server.freeBytes >= minFreeBytes;
  }
  std::vector<StorageId> leaving() const;
};

struct PlacementRequest {
  std::string group;
  std::uint32_t copies = 1;
  std::vector<StorageId> exclude;  // hold a replica already, or must not
  std::vector<StorageId> beside;   // their zones count as taken
  std::uint64_t seed = 0;          // spreads equals evenly; the inode's number
};

// Up to `copies` servers: with room, in different zones as long as that can be, the least loaded first; among servers
// of about the same load a random one, the likelier the more free space it has. Fewer when the group has fewer; one
// that is checking only when all are.
std::vector<StorageId> place(const PlacementView& view, const PlacementRequest& request);

// The group with the most usable free space (free bytes of servers with room) of those that have servers for all copies
// of a file (one that is away just now counts) and more than a tenth of their capacity free, or of all when there is
// none; view.defaultGroup when no server has room. `copies`: of new files, where a group has a number of its own.
std::string groupForNewUser(const PlacementView& view, const std::map<std::string, std::uint32_t>& copies);

// Whether the group has a live server at all (then a failed placement means "no space", else "nobody is there").
bool anyAlive(const PlacementView& view, const std::string& group);

}  // namespace vcfs::tracker
