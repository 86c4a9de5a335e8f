#include "client/src/storage_pool.h"

#include "common/base/advertise.h"
#include "common/base/log.h"

namespace vcfs::client {

namespace {

constexpr Duration kIdleLimit = std::chrono::seconds(60);
constexpr Duration kSweepInterval = std::chrono::seconds(10);
// A server 100 ms away has been connected to and greeted by then, and nobody notices a wait of that length.
constexpr Duration kNextAfter = std::chrono::milliseconds(200);
// What a request has besides its data, and small ones before it.
constexpr std::uint64_t kAroundData = 64u << 10;
constexpr int kSlowPart = 4;  // of pingLimit: an answer to a ping that takes longer is late

}  // namespace

struct StoragePool::Attempt {
  explicit Attempt(TimePoint now) : begun(now) {}
  const TimePoint begun;
  bool finished = false;
  std::shared_ptr<StorageLink> link;
  std::optional<Error> failure;

  // Why it was of no use to somebody who wants `server`; once it is finished.
  std::optional<Error> useless(const Replica& server) const {
    if (failure) return failure;
    if (server.storage == 0 || link->id == server.storage) return std::nullopt;
    return Error(Errc::unavailable, server.address + " is storage server " + link->name + " (" +
                                        std::to_string(link->id) + "), not number " + std::to_string(server.storage));
  }
};

StoragePool::StoragePool(Runtime& runtime, const ClusterOptions& options, ClientId client)
    : runtime_(runtime), options_(options), client_(client), attemptOver_(runtime.io) {}

std::shared_ptr<StorageLink> StoragePool::find(const std::string& address, StorageId storage) {
  auto found = links_.find(address);
  if (found == links_.end() || !found->second->alive()) return nullptr;
  if (storage != 0 && found->second->id != storage) return nullptr;
  found->second->lastUsed = runtime_.clock.now();
  return found->second;
}

std::shared_ptr<StoragePool::Attempt> StoragePool::begin(const std::string& address) {
  if (auto found = attempts_.find(address); found != attempts_.end()) return found->second;
  auto mine = std::make_shared<Attempt>(runtime_.clock.now());
  // Of another server than the one that is looked for: that is known without another connection to it.
  if (auto link = find(address, 0)) {
    mine->link = std::move(link);
    mine->finished = true;
    return mine;
  }
  attempts_[address] = mine;
  // An address that nobody can connect to fails at once, and the attempt is over when this returns.
  runtime_.spawn("storage connect", attempt(address, mine));
  return mine;
}

Task<std::shared_ptr<StorageLink>> StoragePool::get(std::vector<Replica> servers, TimePoint deadline) {
  auto self = shared_from_this();
  std::vector<std::shared_ptr<Attempt>> asked;  // of the first ones of `servers`
  Error failure(Errc::unavailable, "there is no storage server to ask");
  while (true) {
    bool pending = false;
    for (std::size_t i = 0; i < asked.size(); ++i) {
      if (!asked[i]->finished) {
        pending = true;
      } else if (auto reason = asked[i]->useless(servers[i])) {
        failure = *reason;
      } else {
        co_return asked[i]->link;
      }
    }
    const bool more = asked.size() < servers.size();
    if (!pending && !more) throw failure;
    const TimePoint now = runtime_.clock.now();
    // Since when the last one is being asked, by whomever: a server that is away makes few wait.
    const TimePoint next = pending ? asked.back()->begun + kNextAfter : now;
    if (more && next <= now) {
      const Replica& server = servers[asked.size()];
      if (auto link = find(server.address, server.storage)) co_return link;
      if (stopped_) throw Error(Errc::cancelled, "the client was shut down");
      asked.push_back(begin(server.address));
      continue;
    }
    if (now >= deadline) throw Error(Errc::timeout, "no answer in time from " + servers.front().address);
    co_await attemptOver_.waitFor(runtime_.clock, (more ? std::min(next, deadline) : deadline) - now);
  }
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
  attemptOver_.notifyAll();
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
    requireOurs(address, schema::toString(answer.getUuid()));
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) {
    connection->close("greeting failed");
    throw *failure;
  }
  co_return link;
}

// A server of a store that was made anew has the same address and number, and files of the same numbers.
void StoragePool::requireOurs(const std::string& address, const std::string& uuid) const {
  const std::string ours = uuid_ ? uuid_() : "";
  if (ours.empty() || uuid.empty() || ours == uuid) return;
  throw Error(Errc::unavailable, address + " is a storage server of another cluster");
}

void StoragePool::established(const std::string& address, const std::shared_ptr<StorageLink>& link) {
  link->lastUsed = runtime_.clock.now();
  std::weak_ptr<StoragePool> weak = weak_from_this();
  rpc::Connection::Pings pings{options_.pingInterval, options_.pingLimit};
  pings.largest = schema::MAX_TRANSFER + kAroundData;
  pings.eachTick = [weak, weakLink = std::weak_ptr<StorageLink>(link)] {
    auto self = weak.lock();
    auto watched = weakLink.lock();
    if (self && watched) self->watch(*watched);
  };
  link->connection->startPings(
      [storage = link->storage]() mutable { return storage.pingRequest().send().ignoreResult(); }, std::move(pings));
  link->connection->onClosed([weak, address, raw = link.get()] {
    if (auto self = weak.lock()) self->lost(address, raw);
  });
  if (auto former = links_.find(address); former != links_.end()) lost(address, former->second.get());
  links_[address] = link;
  log::debug("client.storage.connected", {{"storage", link->name}, {"address", address}});
  if (!sweepTimer_) armSweep();
}

void StoragePool::lost(const std::string& address, StorageLink* raw) {
  auto found = links_.find(address);
  if (found == links_.end() || found->second.get() != raw) return;
  std::shared_ptr<StorageLink> link = std::move(found->second);
  links_.erase(found);
  if (link->idle) {
    log::debug("client.storage.idle", {{"storage", link->name}, {"address", address}});
  } else {
    log::info("client.storage.lost",
              {{"storage", link->name}, {"address", address}, {"reason", link->connection->closeReason()}});
  }
  auto users = std::move(link->users);
  link->users.clear();
  for (auto& [key, weak] : users) {
    if (auto user = weak.lock()) user->linkLost(*link);
  }
}

void StoragePool::watch(StorageLink& link) {
  link.pace.note(runtime_.clock.now(), link.connection->link().arrived());
  // Pings alone may be late because the server's loop is; the network alone may be far and well.
  const Duration late = Duration(options_.pingLimit) / kSlowPart;
  if (link.connection->pingTime() < late || link.connection->link().roundTrip() < late / 2 || link.pace.busy()) return;
  const auto users = link.users;
  for (const auto& [key, weak] : users) {
    if (auto user = weak.lock()) user->linkSlow(link);
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
  for (auto& link : idle) {
    link->idle = true;
    link->connection->close("idle");
  }
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
