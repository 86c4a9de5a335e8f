#include "tracker/service/id_source.h"

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/rpc/call.h"
#include "schema/convert.h"
#include "schema/idserver.capnp.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker {

namespace {
constexpr Duration kTakeLimit = std::chrono::seconds(2);
constexpr Duration kCallLimit = std::chrono::milliseconds(500);
constexpr Duration kRetryPause = std::chrono::milliseconds(100);
constexpr Duration kProbeLimit = std::chrono::milliseconds(300);
}  // namespace

IdSource::IdSource(Runtime& runtime, Catalog& catalog, std::vector<std::string> servers, IdPool::Options options)
    : runtime_(runtime), catalog_(catalog), pool_(options), arrived_(runtime.io) {
  for (std::string& address : servers) servers_.push_back(Server{std::move(address), nullptr});
}

void IdSource::start() { refillIfLow(); }

void IdSource::stop() {
  stopped_ = true;
  for (Server& server : servers_) server.connection.reset();
  arrived_.notifyAll();
}

Task<std::uint64_t> IdSource::take() {
  const TimePoint deadline = runtime_.clock.now() + kTakeLimit;
  for (;;) {
    auto id = pool_.take();
    refillIfLow();
    if (id) co_return *id;
    const Duration left = deadline - runtime_.clock.now();
    if (stopped_ || left <= Duration::zero()) throw Error(Errc::unavailable, "no ID server answers");
    co_await arrived_.waitFor(runtime_.clock, left);
  }
}

void IdSource::refillIfLow() {
  if (refilling_ || stopped_ || !pool_.wantsRefill()) return;
  refilling_ = true;
  runtime_.spawn("ids.refill", refill());
}

Task<void> IdSource::refill() {
  auto self = shared_from_this();
  bool complained = false;
  while (!stopped_ && pool_.wantsRefill()) {
    if (co_await leaseFromAny()) {
      arrived_.notifyAll();
      continue;
    }
    if (!complained) log::warn("ids.unavailable", {{"left", pool_.left()}});
    complained = true;
    co_await runtime_.clock.sleep(kRetryPause);
  }
  refilling_ = false;
}

Task<bool> IdSource::leaseFromAny() {
  if (servers_.empty()) {
    std::string reason;
    try {
      co_await leaseFromCatalog();
    } catch (const Error& error) {
      reason = error.what();
    }
    co_return reason.empty();
  }
  for (std::size_t tried = 0; tried < servers_.size() && !stopped_; ++tried) {
    if (co_await leaseFrom(preferred_)) co_return true;
    preferred_ = (preferred_ + 1) % servers_.size();
  }
  co_return false;
}

Task<void> IdSource::leaseFromCatalog() {
  const std::uint32_t count = pool_.rangeSize();
  auto op = [count](SqlTx& tx) { return ops::leaseIds(tx, count); };
  const std::uint64_t first = co_await catalog_.write(std::move(op), Durability::stable);
  pool_.add(first, count);
}

Task<void> IdSource::connect(std::size_t index, Duration limit) {
  const std::string address = servers_[index].address;
  auto connection = co_await rpc::Connection::connect(runtime_, address, limit);
  auto request = connection->bootstrap<schema::IdServer>().helloRequest();
  request.setProtocol(schema::PROTOCOL_VERSION);
  auto response = co_await rpc::call(runtime_, request.send(), limit);
  schema::check(response.getStatus());
  servers_[index].connection = std::move(connection);
}

Task<bool> IdSource::leaseFrom(std::size_t index) {
  try {
    auto present = servers_[index].connection;
    if (!present || !present->alive()) co_await connect(index, kCallLimit);
    auto connection = servers_[index].connection;
    if (!connection) co_return false;
    auto request = connection->bootstrap<schema::IdServer>().leaseRequest();
    request.setCount(pool_.rangeSize());
    auto response = co_await rpc::call(runtime_, request.send(), kCallLimit);
    schema::check(response.getStatus());
    pool_.add(response.getFirst(), response.getCount());
    co_return true;
  } catch (const Error& error) {
    log::debug("ids.lease_failed", {{"server", servers_[index].address}, {"reason", error.what()}});
    servers_[index].connection.reset();
  }
  co_return false;
}

Task<std::vector<IdSource::ServerState>> IdSource::probe() {
  auto states = std::make_shared<std::vector<ServerState>>();
  auto waiting = std::make_shared<std::size_t>(servers_.size());
  auto done = std::make_shared<Signal>(runtime_.io);
  for (const Server& server : servers_) states->push_back(ServerState{server.address, false});
  for (std::size_t i = 0; i < servers_.size(); ++i) runtime_.spawn("ids.probe", probeOne(i, states, waiting, done));
  const TimePoint deadline = runtime_.clock.now() + kProbeLimit;
  while (*waiting > 0 && runtime_.clock.now() < deadline) {
    co_await done->waitFor(runtime_.clock, deadline - runtime_.clock.now());
  }
  co_return *states;
}

Task<void> IdSource::probeOne(std::size_t index, std::shared_ptr<std::vector<ServerState>> states,
                              std::shared_ptr<std::size_t> waiting, std::shared_ptr<Signal> done) {
  auto self = shared_from_this();
  try {
    auto present = servers_[index].connection;
    if (!present || !present->alive()) co_await connect(index, kProbeLimit);
    auto connection = servers_[index].connection;
    if (connection) {
      auto request = connection->bootstrap<schema::IdServer>().pingRequest();
      co_await rpc::call(runtime_, request.send(), kProbeLimit);
      (*states)[index].live = true;
    }
  } catch (const Error&) {
    servers_[index].connection.reset();
  }
  --*waiting;
  done->notifyAll();
}

}  // namespace vcfs::tracker
