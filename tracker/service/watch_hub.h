#pragma once

#include <map>
#include <memory>
#include <vector>

#include "common/async/signal.h"
#include "common/rpc/connection.h"
#include "common/runtime/runtime.h"
#include "schema/tracker.capnp.h"
#include "vcfs/types.h"

namespace vcfs::tracker {

// Tells watchers what others changed. Each watcher has its own bounded backlog and one call under way at a time: what
// gathers meanwhile goes out together, so a busy namespace costs few messages and a quiet one is told at once. A
// watcher that falls too far behind, or does not answer, has its connection closed: after a reconnect it trusts no
// cache.
class WatchHub {
 public:
  WatchHub(Runtime& runtime, std::size_t backlog);

  // `peer`: a tracker, which is told only what was changed here, never what other trackers told us.
  void add(std::uint64_t session, ClientId client, bool peer, schema::Watcher::Client watcher,
           std::weak_ptr<rpc::Connection> connection);
  void remove(std::uint64_t session);
  // Whether the session may be told that nobody gets a sealed file open for writing before it knows (Tracker.watch,
  // settles); it is counted on to answer in time from then on. Not where its client failed to less than a minute ago: a
  // host that is far away would hold up all others again and again.
  bool trust(std::uint64_t session);
  // To everybody but `origin`. A change of locks goes to trackers and to those who expect it.
  void publish(const std::vector<Change>& changes, ClientId origin);
  void publishFromPeer(const std::vector<Change>& changes);
  // Returns when everybody but `origin` has taken note of what was published so far, at the latest after `limit`. Who
  // was late is not waited for again until it answers in time. Trackers answer when their own watchers have. `leased`:
  // the connection of a client that trusts what it was told and is late is closed, and NAME_LEASE_MS more are waited,
  // after which it trusts nothing.
  Task<void> heard(ClientId origin, Duration limit, bool leased);
  Task<void> heardByClients(Duration limit);
  // The session wants to hear, once, that a lock of this file was given up.
  void expectLocks(std::uint64_t session, InodeId inode);
  // Who is told as this session; null when it does not watch.
  kj::Maybe<schema::Watcher::Client> watcherOf(std::uint64_t session) const;
  // Ends the session's connection, if it watches.
  void disconnect(std::uint64_t session, const char* reason);
  // The same for all who watch but trackers.
  void disconnectClients(const char* reason);
  std::size_t watchers() const { return subscribers_.size(); }

 private:
  struct Subscriber;
  static Task<void> feed(Runtime& runtime, std::shared_ptr<Subscriber> subscriber);
  using Debts = std::vector<std::pair<std::shared_ptr<Subscriber>, std::uint64_t>>;  // up to which change
  static void owe(Debts& debts, const std::shared_ptr<Subscriber>& subscriber);
  Task<void> collect(Debts debts, Duration limit, bool leased);
  void distrust(ClientId client);
  void enqueue(Subscriber& subscriber, const std::vector<Change>& changes);

  Runtime& runtime_;
  std::size_t backlog_;
  std::map<std::uint64_t, std::shared_ptr<Subscriber>> subscribers_;
  std::map<ClientId, TimePoint> distrusted_;  // until when
  // Of clients whose connection was closed while they might trust what they knew; after a start, of those who had been
  // told so before it.
  TimePoint leasesEnd_;
};

}  // namespace vcfs::tracker
