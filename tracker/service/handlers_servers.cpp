#include "common/base/error.h"
#include "common/base/log.h"
#include "common/rpc/call.h"
#include "schema/convert.h"
#include "tracker/service/coordinator.h"
#include "tracker/service/handlers.h"
#include "tracker/service/removal.h"
#include "tracker/service/status_report.h"

// `vcfs storage`: storage servers are listed, emptied and removed.
namespace vcfs::tracker {

namespace {

constexpr Duration kPeerLimit = std::chrono::milliseconds(500);

// The other trackers read the list of servers again; one that cannot be reached does within a second of being back.
Task<void> tellPeers(std::shared_ptr<TrackerCore> core) {
  std::vector<std::shared_ptr<rpc::Connection>> peers;
  for (const Peers::Peer& peer : core->peers->peers()) {
    if (peer.live()) peers.push_back(peer.connection);
  }
  for (auto& connection : peers) {
    try {
      auto request = connection->bootstrap<schema::Tracker>().storagesRequest();
      co_await rpc::call(core->runtime, request.send(), kPeerLimit);
    } catch (const Error& error) {
      log::debug("storages.peer_not_told", {{"reason", error.what()}});
    }
  }
}

StorageId idOf(TrackerCore& core, const std::string& name) {
  const StorageServer* server = core.map.findByName(name);
  return server == nullptr ? 0 : server->id;
}

Error unknownServer(const std::string& name) {
  return Error(Errc::notFound, "there is no storage server " + name + "; `vcfs storage list` shows them");
}

}  // namespace

Task<void> Handlers::storages(StoragesContext context) {
  co_await core_->loadStorages();
  const std::string json = co_await storagesJson(core_);
  context.getResults().setJson(json);
}

Task<void> Handlers::drainStorage(DrainStorageContext context) {
  const std::string name = schema::toString(context.getParams().getName());
  const bool drain = context.getParams().getDrain();
  co_await core_->loadStorages();
  const StorageId storage = idOf(*core_, name);
  if (storage == 0) throw unknownServer(name);
  auto op = [storage, drain](SqlTx& tx) { return ops::setDraining(tx, storage, drain); };
  co_await core_->catalog.write(std::move(op), Durability::stable);
  co_await core_->loadStorages();
  co_await tellPeers(core_);
  coordinator_->nudge();
  log::info("storage.draining", {{"name", name}, {"drain", drain}});
  const std::string json = co_await storagesJson(core_, storage);
  context.getResults().setJson(json);
}

Task<void> Handlers::removeStorage(RemoveStorageContext context) {
  const std::string name = schema::toString(context.getParams().getName());
  const bool force = context.getParams().getForce();
  const ops::Occasion occasion = core_->occasion(toRequest(context.getParams().getRequest()));
  const ops::Request request = occasion.request;
  co_await core_->loadStorages();
  const StorageId storage = idOf(*core_, name);
  // First: by now the name may be that of a new server.
  auto find = [request](SqlTx& tx) { return ops::findRequest(tx, request, ops::RequestOp::removeStorage); };
  const auto earlier = co_await core_->catalog.read(std::move(find));
  if (earlier) co_return;
  if (storage == 0) throw unknownServer(name);
  const StorageServer* server = core_->map.find(storage);
  if (server == nullptr) throw unknownServer(name);
  Removal removal(core_, *server);
  const bool done = co_await removal.empty(force, occasion);
  if (!done) {
    context.getResults().setMore(true);
    co_return;
  }
  auto forget = [=](SqlTx& tx) { return ops::removeStorage(tx, storage, occasion); };
  co_await mutate(request, ops::RequestOp::removeStorage, std::move(forget));
  co_await core_->loadStorages();
  co_await tellPeers(core_);
  log::info("storage.removed", {{"name", name}, {"storage", storage}});
}

}  // namespace vcfs::tracker
