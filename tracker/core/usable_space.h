#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tracker/core/cluster_map.h"

// What `df` shows of the storage servers. Plain arithmetic; no I/O.
namespace vcfs::tracker {

// How many bytes of files fit on servers with so much room each, when every file lies on `copies` different ones; on
// all of them, where they are fewer.
std::uint64_t bytesOfFiles(std::vector<std::uint64_t> room, std::uint32_t copies);

struct UsableSpace {
  std::uint64_t totalBytes = 0;
  std::uint64_t freeBytes = 0;  // what new files can take, of which `trash` comes back when it is needed
};

struct SpaceRules {
  std::string onlyGroup;                        // empty: all groups
  std::map<std::string, std::uint32_t> copies;  // of the groups that the catalog has; the default of the map for others
  std::map<StorageId, std::uint64_t> trash;     // bytes that are to come back
};

// Servers that are away count with their size, not with their room; those that are being emptied do not count. A server
// that has not told its size since the tracker started is not known.
UsableSpace usableSpace(const ClusterMap& map, const SpaceRules& rules, TimePoint now);

}  // namespace vcfs::tracker
