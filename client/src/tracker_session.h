#pragma once

#include <functional>
#include <memory>
#include <set>

#include "client/src/core/retry.h"
#include "common/async/signal.h"
#include "common/rpc/call.h"
#include "common/rpc/connection.h"
#include "schema/convert.h"
#include "vcfs/cluster.h"

namespace vcfs::client {

namespace detail {
template <class Promise>
struct AnswerOf;
template <class Results>
struct AnswerOf<capnp::RemotePromise<Results>> {
  using type = capnp::Response<Results>;
};
}  // namespace detail

// What `build(tracker)`, which sends a request, is answered with.
template <class Build>
using TrackerAnswer =
    typename detail::AnswerOf<decltype(std::declval<Build&>()(std::declval<schema::Tracker::Client&>()))>::type;

// The client's connection to whichever tracker answers. A background task keeps one session up: connect, hello, pings,
// watch. When it is lost the next tracker of the list is used, and calls that were under way are repeated there.
//
// Loop thread only. start() before any call; stop() before the last reference is dropped.
class TrackerSession : public std::enable_shared_from_this<TrackerSession> {
 public:
  TrackerSession(Runtime& runtime, const ClusterOptions& options, ClientId client);

  // Returns when a tracker has answered; throws Error(unavailable) after the stall limit.
  Task<void> start();
  void stop();
  // Called for every change that a tracker pushes, and with `everything` after a reconnect.
  void onChanged(std::function<void(const Change&)> callback) { changed_ = std::move(callback); }
  // How many sessions there were, the present one included: calls of different sessions can be told apart.
  std::uint64_t sessions() const { return sessions_; }
  // Called when a tracker takes back the lease on a directory's names.
  void onRecall(std::function<void(InodeId)> callback) { recalled_ = std::move(callback); }
  // Whether leases that this session was granted count at this moment.
  bool leasesCount() const;
  // The same for what was asked in this session of sealed files (Tracker.watch, `settles`).
  bool settles() const { return settles_ && leasesCount(); }
  // To the present tracker (Link::roundTrip); nullopt while there is none.
  std::optional<Duration> roundTrip() const;
  const std::string& cluster() const { return cluster_; }
  const std::string& uuid() const { return uuid_; }  // the cluster's; empty until a tracker told it
  const std::vector<std::string>& trackers() const { return addresses_; }

  // One call, repeated through lost connections, silent trackers and `unavailable`/`overloaded` answers until `limit`
  // (default: the stall limit) has passed. `build(tracker)` makes and sends the request; it runs once per attempt and
  // must send the same thing (the same RequestId) each time. Throws the Error in the answer's status, unless it has the
  // code `expected`: then the answer is returned, and the caller looks at its status. What is true for a while only is
  // not sent after `sendBy`: Error(unavailable) then.
  template <class Build>
  Task<TrackerAnswer<Build>> call(Build build, Errc expected = Errc::ok) {
    return callFor(std::move(build), options_.stallLimit, expected);
  }
  template <class Build>
  Task<TrackerAnswer<Build>> callFor(Build build, Duration limit, Errc expected = Errc::ok,
                                     TimePoint sendBy = TimePoint{INT64_MAX});

 private:
  class WatcherServer;

  struct Session {
    std::shared_ptr<rpc::Connection> connection;
    schema::Tracker::Client tracker;
    bool settles = false;
  };

  Task<void> keepConnected();
  Task<void> open(std::string address);
  Task<void> greet(std::shared_ptr<Session> session);
  void checkCluster(const std::string& tracker, const std::string& cluster, const std::string& uuid);
  void established(std::shared_ptr<Session> session);
  void lost(rpc::Connection* connection);
  kj::Promise<void> ping(schema::Tracker::Client& tracker, rpc::Connection* connection);
  void learn(const std::string& address);
  Task<std::shared_ptr<Session>> ready(TimePoint deadline);
  void nextTracker();
  // What to do with a failed attempt: returns the pause before the next, throws when it is time to give up.
  Duration judge(const Error& error, bool transport, Retry& retry, const std::shared_ptr<Session>& session);
  void deliver(const Change& change);

  Runtime& runtime_;
  const ClusterOptions options_;
  const ClientId client_;
  std::vector<std::string> addresses_;
  std::size_t index_ = 0;
  std::shared_ptr<Session> session_;
  Signal state_;  // session_ came or went
  std::string cluster_;
  std::string uuid_;
  std::string lastFailure_;
  unsigned waiting_ = 0;
  TimePoint leftAt_;  // when a tracker was last left because its catalog was away
  std::uint64_t sessions_ = 0;
  bool hadSession_ = false;
  bool stopped_ = false;
  bool settles_ = false;
  TimePoint confirmed_;  // when the newest ping that was answered was sent
  std::function<void(const Change&)> changed_;
  std::function<void(InodeId)> recalled_;
};

// ---- implementation ----

template <class Build>
Task<TrackerAnswer<Build>> TrackerSession::callFor(Build build, Duration limit, Errc expected, TimePoint sendBy) {
  using Answer = TrackerAnswer<Build>;
  Retry retry(runtime_.clock.now(), limit);
  while (true) {
    std::shared_ptr<Session> session = co_await ready(std::min(retry.deadline(), sendBy));
    if (runtime_.clock.now() > sendBy) throw Error(Errc::unavailable, "no tracker could be told in time");
    std::optional<Error> failure;
    bool transport = true;
    try {
      Duration wait = std::min<Duration>(options_.requestLimit, retry.remaining(runtime_.clock.now()));
      auto promise = build(session->tracker);
      Answer answer = co_await rpc::call(runtime_, kj::mv(promise), wait);
      transport = false;
      if (!schema::has(answer.getStatus(), expected)) schema::check(answer.getStatus());
      co_return kj::mv(answer);
    } catch (const Error& error) {
      failure = error;
    }
    const Duration pause = judge(*failure, transport, retry, session);
    session.reset();
    if (pause > Duration(0)) co_await runtime_.clock.sleep(pause);
  }
}

}  // namespace vcfs::client
