#include "tracker/service/status_report.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/version.h"
#include "common/rpc/call.h"
#include "schema/convert.h"
#include "schema/state_names.h"

namespace vcfs::tracker {

namespace {

using Json = nlohmann::ordered_json;
constexpr Duration kPeerLimit = std::chrono::milliseconds(500);

// The order does not matter in lists of addresses.
std::string joined(std::vector<std::string> addresses) {
  std::sort(addresses.begin(), addresses.end());
  std::string text;
  for (const std::string& address : addresses) text += (text.empty() ? "" : ",") + address;
  return text;
}

// What all trackers of a cluster should have alike, among others.
Json settingsOf(const TrackerOptions& options) {
  Json json = options.settings;
  json["idservers"] = joined(options.idservers);
  json["trackers"] = options.trackers.empty() ? options.address() : joined(options.trackers);
  return json;
}

const char* liveness(bool live) { return live ? "up" : "unreachable"; }

std::string print(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json trackersOf(TrackerCore& core) {
  Json list = Json::array();
  auto add = [&](const std::string& address, bool live) {
    Json tracker = {{"address", address}, {"state", liveness(live)}};
    tracker["coordinator"] = address == core.lease.holder;
    tracker["candidate"] = address == core.lease.candidate;
    list.push_back(std::move(tracker));
  };
  add(core.options.address(), true);
  for (const Peers::Peer& peer : core.peers->peers()) add(peer.address, peer.live());
  return list;
}

// What is still to be done before a server that is away or being emptied is needed no more.
void addLeaving(Json& json, TrackerCore& core, const StorageServer& server, const Census::Result& census) {
  json["draining"] = server.draining;
  const std::int64_t away = server.awaySince == 0 ? 0 : core.runtime.clock.wallNs() - server.awaySince;
  json["away_seconds"] = std::max<std::int64_t>(away, 0) / 1'000'000'000;
  const auto found = census.servers.find(server.id);
  if (found == census.servers.end()) return;
  const Census::Server& left = found->second;
  json["files_left"] = left.files + left.behind;
  json["bytes_left"] = left.bytes;
  json["only_here"] = left.onlyHere;
  json["to_delete"] = left.removals;
  const bool deleted = left.removals == 0 || server.awaySince != 0;
  json["drained"] = server.draining && census.complete && left.files + left.behind == 0 && deleted;
}

Json storagesOf(TrackerCore& core, const Census::Result& census, StorageId only = 0) {
  Json list = Json::array();
  for (const auto& [id, server] : core.map.servers()) {
    if (only != 0 && id != only) continue;
    list.push_back({{"id", id},
                    {"name", server.name},
                    {"group", server.group},
                    {"zone", server.zone},
                    {"address", server.address},
                    {"state", liveness(core.map.alive(id, core.runtime.clock.now()))},
                    {"data", server.dataDirectory},
                    {"capacity_bytes", server.capacityBytes},
                    {"free_bytes", server.freeBytes},
                    {"live_files", server.liveFiles},
                    {"bytes_to_go", server.bytesToGo},
                    {"load_bytes_per_second", server.loadBytesPerSecond},
                    {"checking", server.checking}});
    const TimePoint now = core.runtime.clock.now();
    const auto reason = core.applicants.refusal(server.name, now);
    // Of one that is up it is somebody else's.
    if (reason && !core.map.alive(id, now)) list.back()["refused"] = *reason;
    addLeaving(list.back(), core, server, census);
  }
  return list;
}

Json sessionsOf(TrackerCore& core, const std::string& kind) {
  Json list = Json::array();
  for (const auto& [id, session] : core.sessions) {
    if (session->kind != kind) continue;
    // An httpd is known by the address it serves at, a mount by the connection it came on.
    const std::string address = kind == "httpd" && !session->path.empty() ? session->path : session->peer;
    Json one = {{"address", address}, {"state", "up"}, {"host", session->host}, {"client", log::hex(session->client)}};
    if (kind == "mount") one["path"] = session->path;
    list.push_back(std::move(one));
  }
  return list;
}

// Adds the sessions that `from` lists and `into` does not have yet.
void mergeSessions(Json& into, const Json& from) {
  for (const Json& session : from) {
    const bool known = std::any_of(into.begin(), into.end(),
                                   [&](const Json& present) { return present["client"] == session["client"]; });
    if (!known) into.push_back(session);
  }
}

Task<void> mergePeer(std::shared_ptr<TrackerCore> core, std::shared_ptr<rpc::Connection> connection, Json* json) {
  try {
    auto request = connection->bootstrap<schema::Tracker>().statusRequest();
    auto response = co_await rpc::call(core->runtime, request.send(), kPeerLimit);
    schema::check(response.getStatus());
    const Json theirs = Json::parse(schema::toString(response.getJson()));
    mergeSessions((*json)["httpds"], theirs.at("httpds"));
    mergeSessions((*json)["mounts"], theirs.at("mounts"));
  } catch (const Error&) {
    // An answer that does not come leaves its sessions out; the tracker itself is listed as unreachable soon.
  } catch (const Json::exception&) {
  }
}

Task<Json> idserversOf(std::shared_ptr<TrackerCore> core) {
  const auto states = co_await core->ids->probe();
  Json list = Json::array();
  for (const auto& server : states) list.push_back({{"address", server.address}, {"state", liveness(server.live)}});
  co_return list;
}

std::string stateName(ReplicaState state) {
  switch (state) {
    case ReplicaState::inSync:
      return "in-sync";
    case ReplicaState::syncing:
      return "syncing";
    default:
      return "stale";
  }
}

// Where a storage server keeps the file: docs/storage-format.md.
std::string pathOn(const StorageServer& server, InodeId inode) {
  char relative[64];
  std::snprintf(relative, sizeof relative, "/%02x/%02x/%016llx", static_cast<unsigned>((inode >> 16) & 0xff),
                static_cast<unsigned>((inode >> 8) & 0xff), static_cast<unsigned long long>(inode));
  return server.dataDirectory + relative;
}

Json replicaJson(TrackerCore& core, const Replica& replica, InodeId inode) {
  Json json = {{"id", replica.storage}, {"state", stateName(replica.state)}};
  const StorageServer* server = core.map.find(replica.storage);
  if (server == nullptr) return json;
  json["storage"] = server->name;
  json["address"] = server->address;
  json["path"] = pathOn(*server, inode);
  return json;
}

}  // namespace

Task<std::string> statusJson(std::shared_ptr<TrackerCore> core, bool merge) {
  auto count = [](SqlTx& tx) { return ops::countFiles(tx); };
  const ops::Counts counts = co_await core->catalog.read(std::move(count));
  auto readLease = [](SqlTx& tx) { return ops::readLease(tx); };
  core->lease = co_await core->catalog.read(std::move(readLease));
  Json json;
  json["cluster"] = core->cluster.name;
  json["tracker"] = core->options.address();
  json["catalog"] = core->catalog.engine();
  json["version"] = VCFS_VERSION;
  json["clock_ns"] = core->runtime.clock.wallNs();
  json["settings"] = settingsOf(core->options);
  json["trash_retention_ms"] = core->options.trashRetention.count();
  json["coordinator"] = core->lease.holder;
  json["candidate"] = core->lease.candidate;
  json["trackers"] = trackersOf(*core);
  json["idservers"] = Json::array();
  if (merge) {
    Json idservers = co_await idserversOf(core);
    json["idservers"] = std::move(idservers);
  }
  const auto census = co_await core->census->get();
  json["storages"] = storagesOf(*core, *census);
  json["httpds"] = sessionsOf(*core, "httpd");
  json["mounts"] = sessionsOf(*core, "mount");
  json["files"] = {{"live", counts.live},
                   {"degraded", std::max(counts.degraded, census->degraded)},
                   {"bytes_to_go", census->bytesToGo},
                   {"inodes", core->inodes->get()}};
  if (merge) {
    std::vector<std::shared_ptr<rpc::Connection>> peers;
    for (const Peers::Peer& peer : core->peers->peers()) {
      if (peer.live()) peers.push_back(peer.connection);
    }
    for (auto& connection : peers) co_await mergePeer(core, connection, &json);
  }
  co_return print(json);
}

Task<std::string> fileJson(std::shared_ptr<TrackerCore> core, InodeId inode) {
  auto find = [inode](SqlTx& tx) { return ops::fileInfo(tx, inode); };
  const ops::InodeRow row = co_await core->catalog.read(std::move(find));
  Json json = {{"id", log::hex(inode)},           {"inode", inode},          {"size", row.attr.size},
               {"state", nameOf(row.attr.state)}, {"epoch", row.attr.epoch}, {"links", row.attr.nlink}};
  json["user"] = row.tenant;
  json["created_as"] = row.path;
  json["group"] = row.group;
  json["copies"] = row.copies;
  json["replicas"] = Json::array();
  // The primary first, then in the layout's order.
  const Replica* primary = primaryOf(row.replicas);
  if (primary != nullptr) json["replicas"].push_back(replicaJson(*core, *primary, inode));
  for (const Replica& replica : row.replicas) {
    if (primary == nullptr || replica.storage != primary->storage)
      json["replicas"].push_back(replicaJson(*core, replica, inode));
  }
  co_return print(json);
}

Task<std::string> storagesJson(std::shared_ptr<TrackerCore> core, StorageId only) {
  const auto census = co_await core->census->get();
  const Json list = storagesOf(*core, *census, only);
  if (only == 0) co_return print(list);
  co_return list.empty() ? std::string("{}") : print(list.front());
}

Task<std::string> groupsJson(std::shared_ptr<TrackerCore> core) {
  auto list = [](SqlTx& tx) { return ops::listGroups(tx); };
  const auto groups = co_await core->catalog.read(std::move(list));
  Json json = Json::array();
  for (const ops::GroupRow& group : groups) {
    std::uint64_t capacity = 0;
    std::uint64_t free = 0;
    Json members = Json::array();
    for (const auto& [id, server] : core->map.servers()) {
      if (server.group != group.name) continue;
      capacity += server.capacityBytes;
      free += server.freeBytes;
      members.push_back(server.name);
    }
    json.push_back({{"name", group.name},
                    {"copies", group.copies},
                    {"storages", std::move(members)},
                    {"capacity_bytes", capacity},
                    {"free_bytes", free}});
  }
  co_return print(json);
}

Task<std::string> usersJson(std::shared_ptr<TrackerCore> core) {
  auto list = [](SqlTx& tx) { return ops::listUsers(tx); };
  const auto users = co_await core->catalog.read(std::move(list));
  Json json = Json::array();
  for (const ops::UserRow& user : users) json.push_back({{"name", user.name}, {"group", user.group}});
  co_return print(json);
}

}  // namespace vcfs::tracker
