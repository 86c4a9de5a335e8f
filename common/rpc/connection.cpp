#include "common/rpc/connection.h"

#include <capnp/message.h>
#include <kj/debug.h>

#include <unordered_map>

#include "common/base/log.h"
#include "common/rpc/call.h"

namespace vcfs::rpc {

namespace {

using Side = capnp::rpc::twoparty::Side;
using System = capnp::RpcSystem<capnp::rpc::twoparty::VatId>;

// Parameters of calls that are under way on one connection. Beyond it the server reads no more from that client. Above
// what a well-behaved client has in flight (its send_window_total): its pings stand in the same queue.
constexpr std::size_t kFlowLimitWords = (256u << 20) / sizeof(capnp::word);

// Bulk messages are read a few times (dispatch, disk, forwarding), each reading counts.
capnp::ReaderOptions readerOptions() {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = (256u << 20) / sizeof(capnp::word);
  return options;
}

}  // namespace

struct Connection::Impl {
  Impl(Runtime& rt, std::unique_ptr<Link> l, Side side)
      : runtime(rt), link(std::move(l)), network(link->stream(), side, readerOptions()) {}
  ~Impl() {
    pingTimer.reset();
    ping = nullptr;
    gone = nullptr;
    bootstrap = nullptr;
    // The RPC system says goodbye to the network when it goes; after that nothing may be sent.
    system = nullptr;
    link->close();
  }

  Runtime& runtime;
  std::unique_ptr<Link> link;
  capnp::TwoPartyVatNetwork network;
  kj::Maybe<System> system;
  // The client's side: asked for once. A system whose network was lost takes the same one for a new connection when it
  // is asked again, and ends the process because it cannot be written to.
  kj::Maybe<capnp::Capability::Client> bootstrap;
  kj::Promise<void> gone = nullptr;
  std::vector<std::function<void()>> hooks;
  bool alive = true;
  const char* closeReason = "";

  std::optional<kj::Function<kj::Promise<void>()>> makePing;
  kj::Promise<void> ping = nullptr;
  std::unique_ptr<Clock::Timer> pingTimer;
  Pings pings{};
  bool pingAnswered = true;
  TimePoint pingSent;
  TimePoint pingCounts;  // since when it is waited for in vain
  Duration lastPing{};
  std::uint64_t receivedAtPing = 0;
  std::uint64_t sentBeforePing = 0;
  std::uint64_t queuedBeforePing = 0;  // what Cap'n Proto had not given to the link completely
  std::uint64_t arrivedAtTick = 0;
  std::uint64_t arrivedWhenHeard = 0;  // when the peer's last sign of life came

  void heard() {
    receivedAtPing = link->received();
    arrivedWhenHeard = arrivedAtTick = waitsForBytes() ? link->arrived() : 0;
  }
  bool waitsForBytes() const { return pings.patient || pings.largest != 0; }
  // Whether bytes before the ping, which is still on its way, have arrived since the last look. Then it is waited for
  // from now on, where these are what it may have to wait for.
  void lookForArrivals(TimePoint now) {
    if (!waitsForBytes()) return;
    const std::uint64_t before = std::exchange(arrivedAtTick, link->arrived());
    if (arrivedAtTick == before) return;
    if (pings.patient && arrivedAtTick <= sentBeforePing) {
      pingCounts = std::max(pingCounts, std::min(now, pingSent + pings.limit));
    }
    if (arrivedAtTick <= sentBeforePing + queuedBeforePing && arrivedAtTick - arrivedWhenHeard < pings.largest) {
      pingCounts = now;
    }
  }
};

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

void Connection::watch() {
  // A weak reference: the connection must be able to go while KJ still remembers this promise.
  std::weak_ptr<Connection> weak = weak_from_this();
  auto lost = [weak] {
    if (auto self = weak.lock()) {
      asio::post(self->impl_->runtime.io, [self] { self->close("lost"); });
    }
  };
  auto failed = [lost](kj::Exception&&) { lost(); };
  // Moved in: then() would keep a reference to an lvalue.
  impl_->gone = impl_->network.onDisconnect().then(kj::mv(lost), kj::mv(failed)).eagerlyEvaluate(nullptr);
}

Task<std::shared_ptr<Connection>> Connection::connect(Runtime& runtime, std::string address, Duration limit) {
  std::unique_ptr<Link> link = co_await runtime.transport.connect(std::move(address), limit);
  std::shared_ptr<Connection> connection(
      new Connection(std::make_unique<Impl>(runtime, std::move(link), Side::CLIENT)));
  connection->startClient();
  co_return connection;
}

void Connection::startClient() {
  auto system = capnp::makeRpcClient(impl_->network);
  capnp::MallocMessageBuilder message(8);
  auto vat = message.initRoot<capnp::rpc::twoparty::VatId>();
  vat.setSide(Side::SERVER);
  impl_->bootstrap = system.bootstrap(vat);
  impl_->system = kj::mv(system);
  watch();
}

std::shared_ptr<Connection> Connection::serve(Runtime& runtime, std::unique_ptr<Link> link) {
  return std::shared_ptr<Connection>(new Connection(std::make_unique<Impl>(runtime, std::move(link), Side::SERVER)));
}

void Connection::setBootstrap(capnp::Capability::Client bootstrap) {
  auto system = capnp::makeRpcServer(impl_->network, kj::mv(bootstrap));
  system.setFlowLimit(kFlowLimitWords);
  impl_->system = kj::mv(system);
  watch();
}

capnp::Capability::Client Connection::bootstrapAny() {
  KJ_IF_MAYBE (bootstrap, impl_->bootstrap) {
    return *bootstrap;
  }
  throw Error(Errc::internal, "bootstrap() on the server's side");
}

bool Connection::alive() const { return impl_->alive; }
const std::string& Connection::peer() const { return impl_->link->peer(); }
const char* Connection::closeReason() const { return impl_->closeReason; }
Link& Connection::link() { return *impl_->link; }

void Connection::close(const char* reason) {
  if (!impl_->alive) return;
  impl_->alive = false;
  impl_->closeReason = reason;
  log::debug("rpc.connection.closed", {{"peer", peer()}, {"reason", reason}});
  impl_->pingTimer.reset();
  impl_->link->close();
  // From the loop, so that no hook runs below its own caller.
  asio::post(impl_->runtime.io, [hooks = std::move(impl_->hooks), self = shared_from_this()] {
    for (const auto& hook : hooks) hook();
  });
  impl_->hooks.clear();
}

void Connection::onClosed(std::function<void()> hook) {
  if (impl_->alive) {
    impl_->hooks.push_back(std::move(hook));
  } else {
    asio::post(impl_->runtime.io, std::move(hook));
  }
}

void Connection::startPings(kj::Function<kj::Promise<void>()> ping, Pings how) {
  impl_->makePing.emplace(kj::mv(ping));
  impl_->pings = std::move(how);
  schedulePing();
}

Duration Connection::pingTime() const {
  if (impl_->pingAnswered) return impl_->lastPing;
  return std::max(impl_->lastPing, impl_->runtime.clock.now() - impl_->pingSent);
}

void Connection::schedulePing() {
  Impl& impl = *impl_;
  std::weak_ptr<Connection> weak = weak_from_this();
  impl.pingTimer = impl.runtime.clock.callAt(impl.runtime.clock.now() + impl.pings.interval, [weak] {
    if (auto self = weak.lock()) self->pingTick();
  });
}

void Connection::pingTick() {
  Impl& impl = *impl_;
  if (!impl.alive) return;
  const TimePoint now = impl.runtime.clock.now();
  if (impl.pingAnswered) {
    impl.pingAnswered = false;
    impl.pingSent = impl.pingCounts = now;
    impl.sentBeforePing = impl.link->sent();
    impl.queuedBeforePing = impl.network.getCurrentQueueSize();
    impl.heard();
    std::weak_ptr<Connection> weak = weak_from_this();
    auto answered = [weak, now] {
      auto self = weak.lock();
      if (!self) return;
      self->impl_->pingAnswered = true;
      self->impl_->lastPing = self->impl_->runtime.clock.now() - now;
    };
    impl.ping = (*impl.makePing)().then(kj::mv(answered), [](kj::Exception&&) {}).eagerlyEvaluate(nullptr);
  } else if (impl.link->received() != impl.receivedAtPing) {
    impl.heard();  // answers flow: the ping stands behind them
    impl.pingCounts = now;
  } else {
    impl.lookForArrivals(now);
    if (now - impl.pingCounts >= impl.pings.limit) return close("no answer to ping");
  }
  if (impl.pings.eachTick) impl.pings.eachTick();
  schedulePing();
}

// ---- Server

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
  Impl(Runtime& rt, Factory f) : runtime(rt), factory(std::move(f)) {}

  void accept(std::unique_ptr<Link> link) {
    auto connection = Connection::serve(runtime, std::move(link));
    connections.emplace(connection.get(), connection);
    std::weak_ptr<Impl> weak = weak_from_this();
    connection->onClosed([weak, key = connection.get()] {
      if (auto self = weak.lock()) self->connections.erase(key);
    });
    connection->setBootstrap(factory(connection));
  }

  Runtime& runtime;
  Factory factory;
  std::unique_ptr<Listener> listener;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections;
};

Server::Server(Runtime& runtime, const std::string& address, Factory factory)
    : impl_(std::make_shared<Impl>(runtime, std::move(factory))) {
  std::weak_ptr<Impl> weak = impl_;
  impl_->listener = runtime.transport.listen(address, [weak](std::unique_ptr<Link> link) {
    if (auto impl = weak.lock()) impl->accept(std::move(link));
  });
}

Server::~Server() {
  impl_->listener.reset();
  auto connections = std::move(impl_->connections);
  impl_->connections.clear();
  for (auto& [key, connection] : connections) connection->close("server stops");
}

const std::string& Server::address() const { return impl_->listener->address(); }
std::size_t Server::connections() const { return impl_->connections.size(); }

}  // namespace vcfs::rpc
