#include "tracker/core/usable_space.h"

#include <algorithm>
#include <numeric>

namespace vcfs::tracker {

namespace {

struct GroupRoom {
  std::vector<std::uint64_t> capacity;  // of its servers
  std::vector<std::uint64_t> free;      // of those that are there
};

std::uint64_t roomFor(const StorageServer& server, std::uint64_t trash, std::uint64_t minFree) {
  const std::uint64_t room = std::min(server.freeBytes + trash, server.capacityBytes);
  return room > minFree ? room - minFree : 0;
}

}  // namespace

// The `k` largest servers hold at most one copy of each file; what the others hold must do for the rest of the copies.
std::uint64_t bytesOfFiles(std::vector<std::uint64_t> room, std::uint32_t copies) {
  if (room.empty()) return 0;
  std::sort(room.begin(), room.end());
  const std::size_t wanted = std::clamp<std::size_t>(copies, 1, room.size());
  std::uint64_t sum = std::accumulate(room.begin(), room.end(), std::uint64_t{0});
  std::uint64_t least = sum / wanted;
  for (std::size_t largest = 1; largest < wanted; ++largest) {
    sum -= room[room.size() - largest];
    least = std::min(least, sum / (wanted - largest));
  }
  return least;
}

UsableSpace usableSpace(const ClusterMap& map, const SpaceRules& rules, TimePoint now) {
  std::map<std::string, GroupRoom> groups;
  for (const auto& [id, server] : map.servers()) {
    if (server.draining || server.capacityBytes == 0) continue;
    if (!rules.onlyGroup.empty() && server.group != rules.onlyGroup) continue;
    GroupRoom& group = groups[server.group];
    group.capacity.push_back(server.capacityBytes);
    if (!map.alive(id, now)) continue;
    const auto trash = rules.trash.find(id);
    const std::uint64_t back = trash == rules.trash.end() ? 0 : trash->second;
    group.free.push_back(roomFor(server, back, map.options().minFreeBytes));
  }
  UsableSpace all;
  for (const auto& [name, group] : groups) {
    const auto set = rules.copies.find(name);
    const std::uint32_t copies = set == rules.copies.end() ? map.options().defaultCopies : set->second;
    const std::uint64_t total = bytesOfFiles(group.capacity, copies);
    all.totalBytes += total;
    all.freeBytes += std::min(bytesOfFiles(group.free, copies), total);
  }
  return all;
}

}  // namespace vcfs::tracker
