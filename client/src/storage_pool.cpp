#include "client/src/storage_pool.h"

#include "common/base/advertise.h"
#include "common/base/log.h"

namespace vcfs::client {

namespace {

constexpr Duration kIdleLimit = std::chrono::seconds(60);
constexpr Duration kSweepInterval = std::chrono::seconds(10);

}  // namespace

struct StoragePool::Attempt {
  explicit Attempt(asio::io_context& io) : done(io) {}
  Signal done;
  bool finished = false;
  std::shared_ptr<StorageLink> link;
  std::optional<Error> failure;
};

StoragePool::StoragePool(Runtime& runtime, const ClusterOptions& options, ClientId client)
    : runtime_(runtime), options_(options), client_(client) {}

std::shared_ptr<StorageLink> StoragePool::find(const std::string& address, StorageId storage) {
  auto found = links_.find(address);
  if (found == links_.end() || !found->second->alive()) return nullptr;
  if (storage != 0 && found->second->id != storage) return nullptr;
  found->second->lastUsed = runtime_.clock.now();
  return found->second;
}

Task<std::shared_ptr<StorageLink>> StoragePool::get(std::string address, StorageId storage) {
  if (auto link = find(address, storage)) co_return link;
  if (stopped_) throw Error(Errc::cancelled, "the client was shut down");
  std::shared_ptr<Attempt> mine = attempts_[address];
  if (!mine) {
    mine = std::make_shared<Attempt>(runtime_.io);
    attempts_[address] = mine;
    // An address that nobody can connect to fails at once, and the attempt is over when this returns.
    runtime_.spawn("storage connect", attempt(address, mine));
  }
  while (!mine->finished) co_await mine->done.wait();
  if (mine->failure) throw Error(*mine->failure);
  if (storage != 0 && mine->link->id != storage) {
    throw Error(Errc::unavailable, address + " is storage server " + mine->link->name + " (" +
                                       std::to_string(mine->link->id) + "), not number " + std::to_string(storage));
  }
  co_return mine->link;
}

Task<void> StoragePool::attempt(std::string address, std::shared_ptr<Attempt> attempt) {
  auto self = shared_from_this();
  try {
    attempt->link = co_await connect(address);
  } catch (const asio::system_error& error) {
    attempt->failure = Error(Errc::cancelled, error.what());
  } catch (const std::exception& error) {
    attempt->failure = asError(error);
  }
  if (attempt->link && stopped_) {
    attempt->link->connection->close("client stops");
    attempt->failure = Error(Errc::cancelled, "the client was shut down");
  }
  attempt->finished = true;
  attempts_.erase(address);
  if (attempt->link && !attempt->failure) established(address, attempt->link);
  attempt->done.notifyAll();
}

Task<std::shared_ptr<StorageLink>> StoragePool::connect(std::string address) {
  const TimePoint deadline = runtime_.clock.now() + options_.connectLimit;
  auto connection = co_await rpc::Connection::connect(runtime_, address, options_.connectLimit);
  auto link = std::make_shared<StorageLink>(connection->bootstrap<schema::Storage>());
  link->connection = connection;
  auto hello = link->storage.helloRequest();
  hello.setProtocol(schema::PROTOCOL_VERSION);
  hello.setClient(client_);
  hello.setHost(hostName());
  auto promise = hello.send();
  std::optional<Error> failure;
  try {
    const Duration rest = std::max<Duration>(deadline - runtime_.clock.now(), std::chrono::milliseconds(1));
    auto answer = co_await rpc::call(runtime_, kj::mv(promise), rest);
    schema::check(answer.getStatus());
    link->id = answer.getStorage();
    link->name = schema::toString(answer.getName());
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) {
    connection->close("greeting failed");
    throw *failure;
  }
  co_return link;
}

void StoragePool::established(const std::string& address, const std::shared_ptr<StorageLink>& link) {
  link->lastUsed = runtime_.clock.now();
  link->connection->startPings(
      [storage = link->storage]() mutable { return storage.pingRequest().send().ignoreResult(); },
      options_.pingInterval, options_.pingLimit);
  std::weak_ptr<StoragePool> weak = weak_from_this();
  link->connection->onClosed([weak, address, raw = link.get()] {
    if (auto self = weak.lock()) self->lost(address, raw);
  });
  links_[address] = link;
  log::debug("client.storage.connected", {{"storage", link->name}, {"address", address}});
  if (!sweepTimer_) armSweep();
}

void StoragePool::lost(const std::string& address, StorageLink* raw) {
  auto found = links_.find(address);
  if (found == links_.end() || found->second.get() != raw) return;
  std::shared_ptr<StorageLink> link = std::move(found->second);
  links_.erase(found);
  log::info("client.storage.lost", {{"storage", link->name}, {"address", address}});
  auto users = std::move(link->users);
  link->users.clear();
  for (auto& [key, weak] : users) {
    if (auto user = weak.lock()) user->linkLost(*link);
  }
}

void StoragePool::armSweep() {
  std::weak_ptr<StoragePool> weak = weak_from_this();
  sweepTimer_ = runtime_.clock.callAt(runtime_.clock.now() + kSweepInterval, [weak] {
    if (auto self = weak.lock()) self->sweep();
  });
}

void StoragePool::sweep() {
  const TimePoint now = runtime_.clock.now();
  std::vector<std::shared_ptr<StorageLink>> idle;
  for (auto& [address, link] : links_) {
    if (link->users.empty() && link.use_count() == 1 && now - link->lastUsed > kIdleLimit) idle.push_back(link);
  }
  for (auto& link : idle) link->connection->close("idle");
  armSweep();
}

void StoragePool::stop() {
  stopped_ = true;
  sweepTimer_.reset();
  auto links = std::move(links_);
  links_.clear();
  for (auto& [address, link] : links) link->connection->close("client stops");
}

}  // namespace vcfs::client
