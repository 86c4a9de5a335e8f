#include "storage/cluster/peers.h"

#include "common/base/log.h"
#include "common/rpc/call.h"
#include "schema/convert.h"

namespace vcfs::storage {

struct Peers::Peer {
  std::string address;
  StorageId storage = 0;  // as it said itself
  std::shared_ptr<PeerSession> session;
  bool connecting = false;
  struct Waiting {
    StorageId expected;
    kj::Function<void(PeerSession*)> send;
  };
  std::vector<Waiting> waiting;
};

Peers::Peers(Runtime& runtime, const Options& options, std::function<void(const std::string&)> lost)
    : runtime_(runtime), options_(options), lost_(std::move(lost)) {}

Peers::~Peers() {
  *alive_ = false;
  closeAll();
}

void Peers::setIdentity(ClientId client, std::string host) {
  client_ = client;
  host_ = std::move(host);
}

void Peers::withSession(const std::string& address, StorageId expected, kj::Function<void(PeerSession*)> send) {
  std::shared_ptr<Peer>& peer = peers_[address];
  if (!peer) {
    peer = std::make_shared<Peer>();
    peer->address = address;
  }
  // It had no number yet when it was greeted, and may have one now.
  if (peer->session && peer->waiting.empty() && peer->storage == 0 && expected != 0) {
    const std::shared_ptr<PeerSession> unnamed = std::exchange(peer->session, nullptr);
    unnamed->connection->close("it was not registered when it was greeted");
  }
  if (peer->session && peer->waiting.empty()) {
    const std::shared_ptr<PeerSession> session = peer->session;
    send(expected == 0 || peer->storage == expected ? session.get() : nullptr);
    return;
  }
  peer->waiting.push_back(Peer::Waiting{expected, kj::mv(send)});
  if (!peer->connecting && !peer->session) {
    peer->connecting = true;
    runtime_.spawn("peer.connect", connect(peer));
  }
}

Task<void> Peers::connect(std::shared_ptr<Peer> peer) {
  const std::shared_ptr<bool> alive = alive_;
  Runtime& runtime = runtime_;
  std::shared_ptr<PeerSession> session;
  StorageId storage = 0;
  try {
    auto made = std::make_shared<PeerSession>();
    made->connection = co_await rpc::Connection::connect(runtime, peer->address, options_.connectLimit);
    if (!*alive) co_return;
    made->client = made->connection->bootstrap<schema::Storage>();
    auto request = made->client.helloRequest();
    request.setProtocol(schema::PROTOCOL_VERSION);
    request.setClient(client_);
    request.setHost(host_);
    auto promise = request.send();
    auto answer = co_await rpc::call(runtime, kj::mv(promise), options_.connectLimit);
    if (!*alive) co_return;
    schema::check(answer.getStatus());
    storage = answer.getStorage();
    session = std::move(made);
  } catch (const std::exception& error) {  // also an answer that cannot be decoded
    log::warn("peer.unreachable", {{"address", peer->address}, {"reason", error.what()}});
  }
  if (!*alive) co_return;
  peer->connecting = false;
  if (session) {
    session->number = nextSession_++;
    peer->storage = storage;
    peer->session = session;
    std::weak_ptr<Peer> weakPeer = peer;
    session->connection->onClosed([this, alive, weakPeer, number = session->number] {
      auto closed = weakPeer.lock();
      if (!*alive || !closed || !closed->session || closed->session->number != number) return;
      closed->session = nullptr;
      lost_(closed->address);
    });
    schema::Storage::Client client = session->client;
    rpc::Connection::Pings pings{options_.pingInterval, options_.pingLimit, true};
    session->connection->startPings([client]() mutable { return client.pingRequest().send().ignoreResult(); },
                                    std::move(pings));
  }
  flush(*peer);
}

void Peers::flush(Peer& peer) {
  // Sends may add more to `waiting` when there is no session any more; those start a new attempt.
  std::vector<Peer::Waiting> waiting = std::move(peer.waiting);
  peer.waiting.clear();
  const std::shared_ptr<PeerSession> session = peer.session;
  for (Peer::Waiting& one : waiting) {
    one.send(session && (one.expected == 0 || one.expected == peer.storage) ? session.get() : nullptr);
  }
}

Task<std::shared_ptr<PeerSession>> Peers::session(std::string address, StorageId expected) {
  auto pair = kj::newPromiseAndFulfiller<bool>();
  auto fulfiller = kj::mv(pair.fulfiller);
  withSession(address, expected, [fulfiller = kj::mv(fulfiller)](PeerSession* session) mutable {
    fulfiller->fulfill(session != nullptr);
  });
  kj::Promise<bool> promise = kj::mv(pair.promise);
  const Duration limit = options_.connectLimit * 3;
  const bool up = co_await rpc::await<bool>(runtime_, kj::mv(promise), limit);
  auto peer = peers_.find(address);
  if (!up || peer == peers_.end() || !peer->second->session) {
    throw Error(Errc::unavailable, "storage server at " + address + " cannot be reached");
  }
  co_return peer->second->session;
}

void Peers::dropHung() {
  const TimePoint now = runtime_.clock.now();
  for (auto& [address, peer] : peers_) {
    if (!peer->session) continue;
    const std::shared_ptr<PeerSession> session = peer->session;
    const bool late = std::any_of(session->unanswered.begin(), session->unanswered.end(),
                                  [now](TimePoint deadline) { return deadline < now; });
    if (late) session->connection->close("no answer to forwarded data");
  }
}

void Peers::closeAll() {
  for (auto& [address, peer] : peers_) {
    // What waits holds the node that has us.
    const std::vector<Peer::Waiting> dropped = std::exchange(peer->waiting, {});
    if (!peer->session) continue;
    const std::shared_ptr<PeerSession> session = std::move(peer->session);
    peer->session = nullptr;
    session->connection->close("stopping");
  }
}

std::size_t Peers::connected() const {
  return static_cast<std::size_t>(
      std::count_if(peers_.begin(), peers_.end(), [](const auto& entry) { return entry.second->session != nullptr; }));
}

}  // namespace vcfs::storage
