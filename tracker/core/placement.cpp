#include "tracker/core/placement.h"

#include <cmath>

namespace vcfs::tracker {

namespace {

// Loads closer than this are equal: four files' allowance.
constexpr std::uint64_t kLoadStep = 4u << 20;
constexpr std::uint64_t kNearlyFull = 10;  // a group with less than this part of its capacity free

std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Weighted rendezvous: the server with the smallest key wins with a probability proportional to its free space.
double drawKey(const Server& server, std::uint64_t seed) {
  const std::uint64_t bits = mix(mix(seed) ^ (std::uint64_t{server.id} << 32)) >> 11;
  const double uniform = (static_cast<double>(bits) + 1) / 9007199254740994.0;
  return -std::log(uniform) / (static_cast<double>(server.freeBytes) + 1);
}

struct Candidate {
  const Server* server;
  std::uint64_t loadClass;
  double key;
};

std::vector<Candidate> candidates(const PlacementView& view, const PlacementRequest& request) {
  std::vector<Candidate> found;
  for (const Server& server : view.servers) {
    const bool excluded = std::count(request.exclude.begin(), request.exclude.end(), server.id) > 0;
    if (server.group != request.group || excluded || !view.hasRoom(server)) continue;
    found.push_back({&server, 0, drawKey(server, request.seed)});
  }
  const auto checking = [](const Candidate& c) { return c.server->checking; };
  if (!std::all_of(found.begin(), found.end(), checking)) std::erase_if(found, checking);
  std::uint64_t least = UINT64_MAX;
  for (const Candidate& c : found) least = std::min(least, c.server->load);
  const std::uint64_t step = std::max(kLoadStep, least / 4);
  for (Candidate& c : found) c.loadClass = (c.server->load - least) / step;
  std::sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
    return a.loadClass != b.loadClass ? a.loadClass < b.loadClass : a.key < b.key;
  });
  return found;
}

}  // namespace

const Server* PlacementView::find(StorageId id) const {
  for (const Server& server : servers) {
    if (server.id == id) return &server;
  }
  return nullptr;
}

std::vector<StorageId> PlacementView::leaving() const {
  std::vector<StorageId> ids;
  for (const Server& server : servers) {
    if (server.leaving) ids.push_back(server.id);
  }
  return ids;
}

std::vector<StorageId> place(const PlacementView& view, const PlacementRequest& request) {
  std::map<std::string, int> taken;  // replicas per zone
  for (StorageId id : request.beside) {
    if (const Server* server = view.find(id)) ++taken[server->zone];
  }
  std::vector<Candidate> rest = candidates(view, request);
  std::vector<StorageId> chosen;
  while (chosen.size() < request.copies && !rest.empty()) {
    // The first in order among those whose zone is the least used.
    auto best = std::min_element(rest.begin(), rest.end(), [&](const Candidate& a, const Candidate& b) {
      return taken[a.server->zone] < taken[b.server->zone];
    });
    ++taken[best->server->zone];
    chosen.push_back(best->server->id);
    rest.erase(best);
  }
  return chosen;
}

std::string groupForNewUser(const PlacementView& view, const std::map<std::string, std::uint32_t>& copies) {
  struct Room {
    std::uint32_t servers = 0;  // also those that are away just now: the user stays in the group
    std::uint64_t bytes = 0;    // free
    std::uint64_t capacity = 0;
    bool nearlyFull() const { return bytes < capacity / kNearlyFull; }
  };
  std::map<std::string, Room> groups;
  for (const Server& server : view.servers) {
    if (server.leaving) continue;
    Room& room = groups[server.group];
    if (view.hasRoom(server) || !server.alive) ++room.servers;
    if (!server.alive) continue;
    room.capacity += server.capacityBytes;
    if (view.hasRoom(server)) room.bytes += server.freeBytes;
  }
  std::string best = view.defaultGroup;
  std::pair<bool, std::uint64_t> most{false, 0};
  for (const auto& [group, room] : groups) {
    const auto own = copies.find(group);
    const std::uint32_t wanted = own == copies.end() ? view.defaultCopies : own->second;
    const std::pair offers{room.servers >= wanted && !room.nearlyFull(), room.bytes};
    if (offers > most) {
      most = offers;
      best = group;
    }
  }
  return best;
}

bool anyAlive(const PlacementView& view, const std::string& group) {
  return std::any_of(view.servers.begin(), view.servers.end(),
                     [&](const Server& s) { return s.alive && s.group == group; });
}

}  // namespace vcfs::tracker
