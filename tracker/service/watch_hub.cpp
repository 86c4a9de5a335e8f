#include "tracker/service/watch_hub.h"

#include <set>
#include <unordered_set>

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/rpc/call.h"
#include "schema/convert.h"

namespace vcfs::tracker {

namespace {
constexpr std::size_t kMaxPerCall = 2000;
constexpr std::size_t kMaxExpected =
    10'000;  // files whose locks one session waits for; beyond it they ask by themselves
constexpr Duration kAnswerLimit = std::chrono::seconds(5);
constexpr Duration kInTime = std::chrono::milliseconds(300);  // of who was late, to be waited for again
constexpr Duration kDistrust = std::chrono::minutes(1);
constexpr Duration kGather = std::chrono::milliseconds(3);  // between two calls: a burst goes together
}  // namespace

struct WatchHub::Subscriber {
  Subscriber(asio::io_context& io, schema::Watcher::Client w) : watcher(kj::mv(w)), news(io), heard(io) {}
  schema::Watcher::Client watcher;
  std::weak_ptr<rpc::Connection> connection;
  ClientId client = 0;
  bool peer = false;
  bool trusts = false;  // what it was told, without asking
  bool closed = false;
  std::deque<Change> pending;
  std::unordered_set<InodeId> expectsLocks;
  Signal news;
  std::uint64_t enqueued = 0;  // changes, ever
  std::uint64_t told = 0;      // of them, those that it has answered for
  bool urgent = false;         // somebody waits for it
  bool late = false;
  Signal heard;
};

namespace {

// The first changes of the backlog, each once.
std::vector<Change> nextChanges(std::deque<Change>& pending) {
  std::vector<Change> taken;
  std::set<std::pair<InodeId, bool>> plain;  // inodes that are told already, without a name; whether of a layout
  while (!pending.empty() && taken.size() < kMaxPerCall) {
    Change change = std::move(pending.front());
    pending.pop_front();
    const bool isPlain = change.name.empty() && !change.unlinked && !change.data && !change.locks && !change.times;
    if (isPlain && !plain.emplace(change.inode, change.layout).second) continue;
    taken.push_back(std::move(change));
  }
  return taken;
}

void fill(capnp::List<schema::Change>::Builder list, const std::vector<Change>& changes) {
  for (unsigned i = 0; i < list.size(); ++i) schema::fill(list[i], changes[i]);
}

}  // namespace

WatchHub::WatchHub(Runtime& runtime, std::size_t backlog)
    : runtime_(runtime),
      backlog_(backlog),
      leasesEnd_(runtime.clock.now() + std::chrono::milliseconds(schema::NAME_LEASE_MS)) {}

void WatchHub::add(std::uint64_t session, ClientId client, bool peer, schema::Watcher::Client watcher,
                   std::weak_ptr<rpc::Connection> connection) {
  remove(session);
  auto subscriber = std::make_shared<Subscriber>(runtime_.io, kj::mv(watcher));
  subscriber->client = client;
  subscriber->peer = peer;
  subscriber->connection = std::move(connection);
  const auto distrusted = distrusted_.find(client);
  subscriber->late = distrusted != distrusted_.end() && runtime_.clock.now() < distrusted->second;
  subscribers_[session] = subscriber;
  runtime_.spawn("watch.feed", feed(runtime_, subscriber));
}

void WatchHub::remove(std::uint64_t session) {
  const auto found = subscribers_.find(session);
  if (found == subscribers_.end()) return;
  found->second->closed = true;
  found->second->news.notifyAll();
  found->second->heard.notifyAll();
  subscribers_.erase(found);
}

bool WatchHub::trust(std::uint64_t session) {
  const auto found = subscribers_.find(session);
  if (found == subscribers_.end() || found->second->late) return false;
  found->second->trusts = true;
  return true;
}

void WatchHub::distrust(ClientId client) {
  const TimePoint now = runtime_.clock.now();
  std::erase_if(distrusted_, [now](const auto& other) { return other.second <= now; });
  distrusted_[client] = now + kDistrust;
}

kj::Maybe<schema::Watcher::Client> WatchHub::watcherOf(std::uint64_t session) const {
  const auto found = subscribers_.find(session);
  if (found == subscribers_.end() || found->second->closed) return nullptr;
  return found->second->watcher;
}

void WatchHub::disconnect(std::uint64_t session, const char* reason) {
  const auto found = subscribers_.find(session);
  if (found == subscribers_.end()) return;
  if (auto connection = found->second->connection.lock()) connection->close(reason);
}

void WatchHub::disconnectClients(const char* reason) {
  std::vector<std::uint64_t> clients;  // closing one removes it
  for (const auto& [session, subscriber] : subscribers_) {
    if (!subscriber->peer) clients.push_back(session);
  }
  for (const std::uint64_t session : clients) disconnect(session, reason);
}

void WatchHub::publish(const std::vector<Change>& changes, ClientId origin) {
  if (changes.empty()) return;
  for (auto& [session, subscriber] : subscribers_) {
    if (subscriber->client == origin && origin != 0) continue;
    enqueue(*subscriber, changes);
  }
}

void WatchHub::publishFromPeer(const std::vector<Change>& changes) {
  for (auto& [session, subscriber] : subscribers_) {
    if (!subscriber->peer) enqueue(*subscriber, changes);
  }
}

void WatchHub::expectLocks(std::uint64_t session, InodeId inode) {
  const auto found = subscribers_.find(session);
  if (found == subscribers_.end() || found->second->expectsLocks.size() >= kMaxExpected) return;
  found->second->expectsLocks.insert(inode);
}

void WatchHub::enqueue(Subscriber& subscriber, const std::vector<Change>& changes) {
  if (subscriber.closed) return;
  for (const Change& change : changes) {
    if (change.locks && !subscriber.peer && subscriber.expectsLocks.erase(change.inode) == 0) continue;
    subscriber.pending.push_back(change);
    ++subscriber.enqueued;
  }
  if (subscriber.pending.empty()) return;
  if (subscriber.pending.size() > backlog_) {
    subscriber.closed = true;
    subscriber.pending.clear();
    if (auto connection = subscriber.connection.lock()) connection->close("the watcher is too slow");
    subscriber.heard.notifyAll();
  }
  subscriber.news.notifyAll();
}

void WatchHub::owe(Debts& debts, const std::shared_ptr<Subscriber>& subscriber) {
  if (subscriber->late || subscriber->told == subscriber->enqueued) return;
  subscriber->urgent = true;
  subscriber->news.notifyAll();
  debts.emplace_back(subscriber, subscriber->enqueued);
}

Task<void> WatchHub::heard(ClientId origin, Duration limit, bool leased) {
  Debts debts;
  for (auto& [session, subscriber] : subscribers_) {
    if (subscriber->client != origin || origin == 0) owe(debts, subscriber);
  }
  return collect(std::move(debts), limit, leased);
}

Task<void> WatchHub::heardByClients(Duration limit) {
  Debts debts;
  for (auto& [session, subscriber] : subscribers_) {
    if (!subscriber->peer) owe(debts, subscriber);
  }
  return collect(std::move(debts), limit, false);
}

Task<void> WatchHub::collect(Debts debts, Duration limit, bool leased) {
  const TimePoint until = runtime_.clock.now() + limit;
  for (const auto& [subscriber, count] : debts) {
    while (!subscriber->closed && !subscriber->late && subscriber->told < count) {
      const Duration rest = until - runtime_.clock.now();
      if (rest <= Duration(0)) {
        subscriber->late = true;
        log::info("watch.late", {{"client", log::hex(subscriber->client)}});
        auto connection = subscriber->connection.lock();
        if (!leased || !subscriber->trusts || !connection) continue;
        distrust(subscriber->client);
        // From now on it hears nothing that would renew its lease.
        connection->close("the watcher does not answer");
        leasesEnd_ = runtime_.clock.now() + std::chrono::milliseconds(schema::NAME_LEASE_MS);
      } else {
        co_await subscriber->heard.waitFor(runtime_.clock, rest);
      }
    }
  }
  if (leased && runtime_.clock.now() < leasesEnd_) co_await runtime_.clock.sleep(leasesEnd_ - runtime_.clock.now());
}

Task<void> WatchHub::feed(Runtime& runtime, std::shared_ptr<Subscriber> subscriber) {
  std::string failure;
  TimePoint latest;
  while (!subscriber->closed && failure.empty()) {
    if (subscriber->pending.empty()) {
      co_await subscriber->news.wait();
      continue;
    }
    // The first change goes at once, those that follow it in a burst together.
    const Duration since = runtime.clock.now() - latest;
    if (since < kGather && !subscriber->urgent) {
      co_await subscriber->news.waitFor(runtime.clock, kGather - since);
      continue;
    }
    latest = runtime.clock.now();
    subscriber->urgent = false;
    const std::size_t before = subscriber->pending.size();
    const std::vector<Change> changes = nextChanges(subscriber->pending);
    const std::size_t taken = before - subscriber->pending.size();
    try {
      const TimePoint sent = runtime.clock.now();
      auto request = subscriber->watcher.changedRequest();
      fill(request.initChanges(static_cast<unsigned>(changes.size())), changes);
      co_await rpc::call(runtime, request.send(), kAnswerLimit);
      subscriber->told += taken;
      if (subscriber->trusts || runtime.clock.now() - sent < kInTime) subscriber->late = false;
      subscriber->heard.notifyAll();
    } catch (const Error& error) {
      failure = error.what();
    }
  }
  if (failure.empty()) co_return;
  log::debug("watch.lost", {{"client", log::hex(subscriber->client)}, {"reason", failure}});
  if (auto connection = subscriber->connection.lock()) connection->close("the watcher does not answer");
}

}  // namespace vcfs::tracker
