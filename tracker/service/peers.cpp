#include "tracker/service/peers.h"

#include "common/async/signal.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/rpc/call.h"
#include "schema/convert.h"

namespace vcfs::tracker {

namespace {
constexpr Duration kHeardLimit = std::chrono::milliseconds(200);
constexpr Duration kPause = std::chrono::milliseconds(500);
constexpr Duration kPingInterval = std::chrono::milliseconds(500);
constexpr Duration kPingLimit = std::chrono::seconds(1);

// What was missed while a peer could not tell: inode 0 without a name stands for "anything may have changed".
std::vector<Change> anything() {
  std::vector<Change> changes(1);
  return changes;
}
}  // namespace

class Peers::Listener final : public schema::Watcher::Server {
 public:
  explicit Listener(std::weak_ptr<Peers> peers) : peers_(std::move(peers)) {}
  kj::Promise<void> changed(ChangedContext context) override {
    std::vector<Change> changes;
    for (auto change : context.getParams().getChanges()) changes.push_back(schema::toChange(change));
    const auto peers = peers_.lock();
    if (!peers || peers->stopped_) return kj::READY_NOW;
    peers->hub_.publishFromPeer(changes);
    return rpc::serve(peers->runtime_, Peers::heard(peers));
  }

 private:
  std::weak_ptr<Peers> peers_;  // KJ destroys a Listener: the connections must not go with it
};

Peers::Peers(Runtime& runtime, WatchHub& hub, ClientId self, std::string ownAddress, std::vector<std::string> others,
             Duration callLimit)
    : runtime_(runtime), hub_(hub), self_(self), ownAddress_(std::move(ownAddress)), callLimit_(callLimit) {
  for (std::string& address : others) {
    if (address != ownAddress_) peers_.push_back(Peer{std::move(address), nullptr});
  }
}

// The other tracker may be waiting until our watchers know, too.
Task<void> Peers::heard(std::shared_ptr<Peers> peers) { co_await peers->hub_.heardByClients(kHeardLimit); }

void Peers::start() {
  for (std::size_t i = 0; i < peers_.size(); ++i) runtime_.spawn("peer.keep", keep(i));
}

void Peers::stop() {
  stopped_ = true;
  for (Peer& peer : peers_) {
    if (peer.connection) peer.connection->close("the tracker stops");
    peer.connection = nullptr;
  }
}

std::string Peers::firstLive() const {
  for (const Peer& peer : peers_) {
    if (peer.live()) return peer.address;
  }
  return {};
}

Task<void> Peers::keep(std::size_t index) {
  auto self = shared_from_this();
  while (!stopped_) {
    try {
      co_await session(index);
    } catch (const Error& error) {
      log::debug("peer.away", {{"tracker", peers_[index].address}, {"reason", error.what()}});
    }
    if (!stopped_) co_await runtime_.clock.sleep(kPause);
  }
}

Task<void> Peers::session(std::size_t index) {
  const std::string address = peers_[index].address;
  auto connection = co_await rpc::Connection::connect(runtime_, address, callLimit_);
  auto tracker = connection->bootstrap<schema::Tracker>();
  auto hello = tracker.helloRequest();
  hello.setProtocol(schema::PROTOCOL_VERSION);
  hello.setClient(self_);
  hello.setKind("tracker");
  hello.setPath(ownAddress_);
  auto greeted = co_await rpc::call(runtime_, hello.send(), callLimit_);
  schema::check(greeted.getStatus());
  auto watch = tracker.watchRequest();
  watch.setWatcher(kj::heap<Listener>(weak_from_this()));
  auto watching = co_await rpc::call(runtime_, watch.send(), callLimit_);
  schema::check(watching.getStatus());

  auto closed = std::make_shared<Signal>(runtime_.io);
  connection->onClosed([closed] { closed->notifyAll(); });
  auto ping = [tracker]() mutable -> kj::Promise<void> { return tracker.pingRequest().send().ignoreResult(); };
  connection->startPings(std::move(ping), kPingInterval, kPingLimit);
  peers_[index].connection = connection;
  log::info("peer.joined", {{"tracker", address}});
  hub_.publishFromPeer(anything());
  while (connection->alive() && !stopped_) co_await closed->wait();
  peers_[index].connection = nullptr;
  if (!stopped_) log::warn("peer.lost", {{"tracker", address}});
}

}  // namespace vcfs::tracker
