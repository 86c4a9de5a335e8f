#include "tests/sim/administrator.h"

#include "common/rpc/call.h"
#include "schema/convert.h"

namespace vcfs::sim {

namespace {
constexpr Duration kLimit = 2s;
constexpr Duration kLossLimit = 60s;  // replicas are looked at, and sealed
constexpr ClientId kClient = 0xad;
}  // namespace

namespace {

struct Session {
  std::shared_ptr<rpc::Connection> connection;
  schema::Tracker::Client tracker;
};

Task<Session> greet(Runtime& runtime, std::string host) {
  auto connection = co_await rpc::Connection::connect(runtime, host + ":21000", kLimit);
  auto client = connection->bootstrap<schema::Tracker>();
  auto hello = client.helloRequest();
  hello.setProtocol(schema::PROTOCOL_VERSION);
  hello.setClient(kClient);
  hello.setKind("cli");
  auto greeted = hello.send();
  auto greeting = co_await rpc::call(runtime, kj::mv(greeted), kLimit);
  schema::check(greeting.getStatus());
  co_return Session{connection, client};
}

Runtime& runtimeOf(SimCluster& cluster, int tracker) { return cluster.host("t" + std::to_string(tracker)).runtime; }

}  // namespace

Task<void> sayDrain(SimCluster& cluster, int tracker, std::string server, bool drain) {
  Runtime& runtime = runtimeOf(cluster, tracker);
  Session session = co_await greet(runtime, "t" + std::to_string(tracker));
  auto request = session.tracker.drainStorageRequest();
  request.setName(server);
  request.setDrain(drain);
  auto promise = request.send();
  auto answer = co_await rpc::call(runtime, kj::mv(promise), kLimit);
  session.connection->close("done");
  schema::check(answer.getStatus());
}

Task<AcceptedPage> sayAcceptLoss(SimCluster& cluster, int tracker, std::string server, InodeId after,
                                 std::uint32_t limit) {
  Runtime& runtime = runtimeOf(cluster, tracker);
  Session session = co_await greet(runtime, "t" + std::to_string(tracker));
  auto request = session.tracker.acceptLossRequest();
  request.setName(server);
  request.setAfter(after);
  request.setLimit(limit);
  auto promise = request.send();
  auto answer = co_await rpc::call(runtime, kj::mv(promise), kLossLimit);
  session.connection->close("done");
  schema::check(answer.getStatus());
  AcceptedPage page;
  page.last = answer.getLast();
  page.more = answer.getMore();
  for (auto file : answer.getFiles()) {
    AcceptedLoss loss;
    loss.inode = file.getInode();
    loss.kept = file.getKept();
    loss.gaps = file.getMayHaveGaps();
    loss.lost = file.getFate() == schema::LossFate::LOST;
    loss.waits = file.getFate() == schema::LossFate::WAITS;
    page.losses.push_back(loss);
  }
  co_return page;
}

Administrator::Administrator(SimCluster& cluster, Journal& journal, std::uint64_t seed, int servers, int trackers)
    : cluster_(cluster), journal_(journal), random_(seed), servers_(servers), trackers_(trackers) {}

void Administrator::step() {
  if (heard_ && random_() % 100 == 0) {
    if (!drain_) server_ = 1 + static_cast<int>(random_() % static_cast<std::uint64_t>(servers_));
    drain_ = !drain_;
    heard_ = false;
    journal_.note("s" + std::to_string(server_) + (drain_ ? " is to be emptied" : " need not be emptied any more"));
  }
  if (!heard_ && !calling_) say();
}

void Administrator::relent() {
  if (server_ == 0) return;
  drain_ = false;
  heard_ = false;
  cluster_.until([this] {
    if (!calling_ && !heard_) say();
    return heard_;
  });
}

void Administrator::say() {
  const int tracker = 1 + static_cast<int>(random_() % static_cast<std::uint64_t>(trackers_));
  if (!cluster_.trackerRuns(tracker)) return;
  calling_ = true;
  asio::co_spawn(cluster_.io, tell(tracker, "s" + std::to_string(server_), drain_), asio::detached);
}

Task<void> Administrator::tell(int tracker, std::string server, bool drain) {
  auto self = shared_from_this();
  try {
    co_await sayDrain(cluster_, tracker, server, drain);
    heard_ = drain == drain_;
    if (heard_) journal_.note("t" + std::to_string(tracker) + " knows of " + server);
  } catch (const Error&) {
    // Said again.
  }
  calling_ = false;
}

}  // namespace vcfs::sim
