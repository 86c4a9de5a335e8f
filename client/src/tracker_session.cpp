#include "client/src/tracker_session.h"

#include <unistd.h>

#include "common/base/advertise.h"
#include "common/base/log.h"

namespace vcfs::client {

namespace {
constexpr Duration kLeaveInterval = std::chrono::seconds(1);
}

// The trackers' calls to us. Holds no more than a weak reference: the connection owns it.
class TrackerSession::WatcherServer final : public schema::Watcher::Server {
 public:
  explicit WatcherServer(std::weak_ptr<TrackerSession> session) : session_(std::move(session)) {}

  kj::Promise<void> changed(ChangedContext context) override {
    auto session = session_.lock();
    if (!session || session->stopped_) return kj::READY_NOW;
    for (auto reader : context.getParams().getChanges()) {
      Change change = schema::toChange(reader);
      // The tracker itself missed something: it was cut off from another one.
      change.everything = change.inode == 0 && change.parent == 0 && change.name.empty();
      session->deliver(change);
    }
    return kj::READY_NOW;
  }

  kj::Promise<void> recallNames(RecallNamesContext context) override {
    auto session = session_.lock();
    if (session && session->recalled_) session->recalled_(context.getParams().getDirectory());
    return kj::READY_NOW;
  }

 private:
  std::weak_ptr<TrackerSession> session_;
};

TrackerSession::TrackerSession(Runtime& runtime, const ClusterOptions& options, ClientId client)
    : runtime_(runtime), options_(options), client_(client), addresses_(options.trackers), state_(runtime.io) {}

Task<void> TrackerSession::start() {
  runtime_.spawn("tracker session", keepConnected());
  co_await ready(runtime_.clock.now() + options_.stallLimit);
}

void TrackerSession::stop() {
  if (stopped_) return;
  stopped_ = true;
  changed_ = nullptr;
  recalled_ = nullptr;
  if (auto session = std::move(session_)) session->connection->close("client stops");
  session_.reset();
  state_.notifyAll();
}

void TrackerSession::deliver(const Change& change) {
  if (changed_) changed_(change);
}

// ---- keeping a session

Task<void> TrackerSession::keepConnected() {
  auto self = shared_from_this();
  unsigned failures = 0;
  while (!stopped_) {
    if (session_) {
      co_await state_.wait();
      continue;
    }
    bool failed = false;
    try {
      co_await open(addresses_[index_ % addresses_.size()]);
      failures = 0;
    } catch (const std::exception& error) {
      failed = true;
      lastFailure_ = addresses_[index_ % addresses_.size()] + ": " + error.what();
    }
    if (!failed || stopped_) continue;
    nextTracker();
    // Through the whole list without a pause, then ever more slowly.
    if (++failures % addresses_.size() != 0) continue;
    const auto rounds = std::min<std::size_t>(failures / addresses_.size(), 8);
    co_await runtime_.clock.sleep(std::min<Duration>(Retry::kFirst * (1u << rounds), Retry::kMost));
  }
}

Task<void> TrackerSession::open(std::string address) {
  auto session = std::make_shared<Session>(Session{nullptr, schema::Tracker::Client(nullptr), false});
  session->connection = co_await rpc::Connection::connect(runtime_, address, options_.connectLimit);
  session->tracker = session->connection->bootstrap<schema::Tracker>();
  std::optional<Error> failure;
  try {
    co_await greet(session);
  } catch (const Error& error) {
    failure = error;
  }
  if (failure || stopped_) session->connection->close("greeting failed");
  if (failure) throw *failure;
  if (!stopped_) established(session);
}

Task<void> TrackerSession::greet(std::shared_ptr<Session> session) {
  auto hello = session->tracker.helloRequest();
  hello.setProtocol(schema::PROTOCOL_VERSION);
  hello.setClient(client_);
  hello.setHost(hostName());
  hello.setKind(options_.kind);
  hello.setPath(options_.path);
  auto promise = hello.send();
  auto answer = co_await rpc::call(runtime_, kj::mv(promise), options_.connectLimit);
  schema::check(answer.getStatus());
  checkCluster(session->connection->peer(), schema::toString(answer.getCluster()), schema::toString(answer.getUuid()));
  for (auto other : answer.getTrackers()) learn(schema::toString(other));

  auto watch = session->tracker.watchRequest();
  watch.setWatcher(kj::heap<WatcherServer>(weak_from_this()));
  auto watching = watch.send();
  auto watched = co_await rpc::call(runtime_, kj::mv(watching), options_.connectLimit);
  schema::check(watched.getStatus());
  session->settles = watched.getSettles();
}

// A store that was made anew behind the same address counts its files from the same numbers: what is open here would be
// taken for whatever has its number there.
void TrackerSession::checkCluster(const std::string& tracker, const std::string& cluster, const std::string& uuid) {
  const bool otherName = !cluster_.empty() && cluster != cluster_;
  const bool otherUuid = !uuid_.empty() && !uuid.empty() && uuid != uuid_;
  if (otherName || otherUuid) {
    const std::string names = otherName ? " (" + cluster + ", not " + cluster_ + ")" : "";
    throw Error(Errc::invalid, tracker + " is a tracker of another cluster" + names);
  }
  cluster_ = cluster;
  if (!uuid.empty()) uuid_ = uuid;
}

void TrackerSession::established(std::shared_ptr<Session> session) {
  std::weak_ptr<TrackerSession> weak = weak_from_this();
  session->connection->startPings(
      [weak, tracker = session->tracker, connection = session->connection.get()]() mutable -> kj::Promise<void> {
        auto self = weak.lock();
        return self ? self->ping(tracker, connection) : kj::READY_NOW;
      },
      options_.pingInterval, options_.pingLimit);
  session->connection->onClosed([weak, connection = session->connection.get()] {
    if (auto self = weak.lock()) self->lost(connection);
  });
  log::info("client.tracker.connected", {{"tracker", session->connection->peer()}, {"cluster", cluster_}});
  session_ = std::move(session);
  confirmed_ = TimePoint{};
  settles_ = session_->settles;
  ++sessions_;
  state_.notifyAll();
  if (hadSession_) {
    Change change;
    change.everything = true;
    deliver(change);
  }
  hadSession_ = true;
}

kj::Promise<void> TrackerSession::ping(schema::Tracker::Client& tracker, rpc::Connection* connection) {
  const TimePoint sent = runtime_.clock.now();
  auto answered = [weak = weak_from_this(), sent, connection](auto&&) {
    auto self = weak.lock();
    if (self && self->session_ && self->session_->connection.get() == connection) self->confirmed_ = sent;
  };
  return tracker.pingRequest().send().then(kj::mv(answered));
}

bool TrackerSession::leasesCount() const {
  return session_ && session_->connection->alive() &&
         runtime_.clock.now() - confirmed_ < std::chrono::milliseconds(schema::NAME_LEASE_MS);
}

std::optional<Duration> TrackerSession::roundTrip() const {
  if (!session_ || !session_->connection->alive()) return std::nullopt;
  return session_->connection->link().roundTrip();
}

void TrackerSession::lost(rpc::Connection* connection) {
  if (!session_ || session_->connection.get() != connection) return;
  log::info("client.tracker.lost", {{"tracker", connection->peer()}});
  lastFailure_ = connection->peer() + ": connection lost";
  session_.reset();
  nextTracker();
  state_.notifyAll();
}

void TrackerSession::learn(const std::string& address) {
  if (!address.empty() && std::find(addresses_.begin(), addresses_.end(), address) == addresses_.end()) {
    addresses_.push_back(address);
  }
}

void TrackerSession::nextTracker() { index_ = (index_ + 1) % addresses_.size(); }

// ---- calls

Task<std::shared_ptr<TrackerSession::Session>> TrackerSession::ready(TimePoint deadline) {
  while (true) {
    if (stopped_) throw Error(Errc::cancelled, "the client was shut down");
    if (session_ && session_->connection->alive()) co_return session_;
    const TimePoint now = runtime_.clock.now();
    if (now >= deadline) {
      std::string why = lastFailure_.empty() ? std::string("none has answered") : lastFailure_;
      throw Error(Errc::unavailable, "no tracker can be reached (" + why + ")");
    }
    co_await state_.waitFor(runtime_.clock, deadline - now);
  }
}

Duration TrackerSession::judge(const Error& error, bool transport, Retry& retry,
                               const std::shared_ptr<Session>& session) {
  const TimePoint now = runtime_.clock.now();
  const bool again = remedyOf(error.code()) == Remedy::retry && !(transport && stopped_);
  if (!again || retry.expired(now)) throw error;
  if (!transport) {
    // Its catalog may be away for it alone. Not at every answer: leaving a tracker costs what is cached of names.
    const bool leave = error.code() == Errc::unavailable && addresses_.size() > 1 && now - leftAt_ >= kLeaveInterval;
    if (!leave || !session->connection->alive()) return retry.pause(now);
    leftAt_ = now;
    session->connection->close("it cannot serve");
    return Duration(0);
  }
  // No answer in time although the tracker answers pings: it has a problem of its own, others may not.
  if (error.code() == Errc::timeout && addresses_.size() > 1) session->connection->close("no answer in time");
  if (error.code() == Errc::unavailable && !session->connection->alive()) return Duration(0);
  return retry.pause(now);
}

}  // namespace vcfs::client
