#include "tracker/core/cluster_map.h"

#include <algorithm>

namespace vcfs::tracker {

namespace {
constexpr Duration kViewAge = std::chrono::milliseconds(100);
constexpr std::uint64_t kLoadPerFile = 1u << 20;  // a live file counts as this many bytes per second
constexpr std::uint64_t kLittleRoom = 10;         // a share of the disk
constexpr Duration kStandstill = std::chrono::seconds(1);
}  // namespace

void ClusterMap::load(StorageServer known) {
  const auto found = servers_.find(known.id);
  if (found != servers_.end() && found->second.connected) {
    if (found->second.draining != known.draining) view_.reset();
    found->second.draining = known.draining;
    found->second.awaySince = known.awaySince;
    return;
  }
  // What its last heartbeat said is still the best guess.
  if (found != servers_.end()) {
    known.instance = found->second.instance;
    known.lostAt = found->second.lostAt;
    known.capacityBytes = found->second.capacityBytes;
    known.freeBytes = found->second.freeBytes;
  }
  servers_[known.id] = std::move(known);
  view_.reset();
}

void ClusterMap::retain(const std::set<StorageId>& known) {
  const std::size_t erased =
      std::erase_if(servers_, [&](const auto& item) { return !item.second.connected && !known.contains(item.first); });
  if (erased > 0) view_.reset();
}

void ClusterMap::registered(StorageServer server, TimePoint now) {
  server.connected = true;
  server.lastHeard = now;
  if (const StorageServer* before = find(server.id)) {
    server.draining = before->draining;  // registering has taken back that it is away
  }
  servers_[server.id] = std::move(server);
  view_.reset();
}

bool ClusterMap::heartbeat(StorageId id, const Heartbeat& beat, TimePoint now) {
  const auto found = servers_.find(id);
  if (found == servers_.end() || !found->second.connected) return false;
  StorageServer& server = found->second;
  const bool wasReady = isAlive(server, now) && !server.checking;
  server.lastHeard = now;
  server.capacityBytes = beat.capacityBytes;
  server.freeBytes = beat.freeBytes;
  server.liveFiles = beat.liveFiles;
  server.bytesToGo = beat.bytesToGo;
  server.loadBytesPerSecond = beat.loadBytesPerSecond;
  server.checking = beat.checking;
  server.placedSince = 0;
  if (!wasReady) view_.reset();
  return true;
}

bool ClusterMap::disconnected(StorageId id, std::uint64_t session, TimePoint now) {
  const auto found = servers_.find(id);
  if (found == servers_.end() || !found->second.connected || found->second.session != session) return false;
  found->second.connected = false;
  found->second.lostAt = now;
  view_.reset();
  return true;
}

void ClusterMap::placed(StorageId id) {
  const auto found = servers_.find(id);
  if (found != servers_.end()) ++found->second.placedSince;
}

std::vector<StorageId> ClusterMap::shortOfRoom(TimePoint now) const {
  std::vector<StorageId> found;
  for (const auto& [id, server] : servers_) {
    const std::uint64_t enough = options_.minFreeBytes + server.capacityBytes / kLittleRoom;
    if (isAlive(server, now) && server.capacityBytes > 0 && server.freeBytes < enough) found.push_back(id);
  }
  return found;
}

void ClusterMap::setAwaySince(StorageId id, std::int64_t since) {
  const auto found = servers_.find(id);
  if (found != servers_.end()) found->second.awaySince = since;
}

bool ClusterMap::isAlive(const StorageServer& server, TimePoint now) const {
  return server.connected && now - server.lastHeard <= options_.unreachableAfter;
}

bool ClusterMap::standsStill(TimePoint now) const { return ticked_ && now - *ticked_ > kStandstill; }

void ClusterMap::tick(TimePoint now) {
  if (standsStill(now)) {
    const Duration stood = now - *ticked_;
    start_ = start_ + stood;
    for (auto& [id, server] : servers_) {
      if (server.lostAt) server.lostAt = std::min(*server.lostAt + stood, now);
    }
    stoodTo_ = now;
    view_.reset();
  }
  ticked_ = now;
}

// Of one that is connected and silent the session has ended, and this tracker has not come to know it yet; or it will
// be heard of in a moment.
bool ClusterMap::justLost(const StorageServer& server, TimePoint now) const {
  if (server.connected) return standsStill(now) || (stoodTo_ && now - *stoodTo_ < options_.settleTime);
  return server.lostAt && now - *server.lostAt < options_.settleTime;
}

bool ClusterMap::alive(StorageId id, TimePoint now) const {
  const StorageServer* server = find(id);
  return server != nullptr && isAlive(*server, now);
}

const StorageServer* ClusterMap::find(StorageId id) const {
  const auto found = servers_.find(id);
  return found == servers_.end() ? nullptr : &found->second;
}

const StorageServer* ClusterMap::findByName(const std::string& name) const {
  for (const auto& [id, server] : servers_) {
    if (server.name == name) return &server;
  }
  return nullptr;
}

std::string ClusterMap::address(StorageId id) const {
  const StorageServer* server = find(id);
  return server == nullptr ? std::string() : server->address;
}

std::shared_ptr<const PlacementView> ClusterMap::view(TimePoint now) {
  if (!view_ || now - viewMade_ >= kViewAge) {
    view_ = makeView(now);
    viewMade_ = now;
  }
  return view_;
}

std::shared_ptr<const PlacementView> ClusterMap::makeView(TimePoint now) const {
  auto view = std::make_shared<PlacementView>();
  view->minFreeBytes = options_.minFreeBytes;
  view->defaultCopies = options_.defaultCopies;
  const bool waits = settling(now);
  for (const auto& [id, known] : servers_) {
    Server server;
    server.id = id;
    server.group = known.group;
    server.zone = known.zone;
    server.alive = isAlive(known, now);
    server.leaving = known.draining;
    server.checking = known.checking;
    server.capacityBytes = known.capacityBytes;
    server.freeBytes = known.freeBytes;
    server.load = known.loadBytesPerSecond + (std::uint64_t{known.liveFiles} + known.placedSince) * kLoadPerFile;
    if (waits && known.instance == 0) view->settling.insert(known.group);
    if (!server.alive && justLost(known, now)) view->justLost.insert(known.group);
    view->servers.push_back(std::move(server));
  }
  return view;
}

}  // namespace vcfs::tracker
