#include "cli/remote/links.h"

#include "common/base/advertise.h"

namespace vcfs::cli {

namespace {

constexpr Duration kConnectLimit = std::chrono::seconds(1);
constexpr Duration kPingInterval = std::chrono::seconds(1);
constexpr Duration kPingLimit = std::chrono::seconds(3);

}  // namespace

Links::Links(Runtime& runtime, std::vector<std::string> trackers, Duration limit)
    : runtime_(runtime), trackers_(std::move(trackers)), limit_(limit), client_(runtime.random() | 1) {}

Links::~Links() {
  for (auto& [address, connection] : connections_) connection->close("done");
}

void Links::fill(schema::RequestId::Builder request) {
  request.setClient(client_);
  request.setSequence(nextSequence());
}

Task<std::shared_ptr<rpc::Connection>> Links::open(std::string address) {
  const auto found = connections_.find(address);
  if (found != connections_.end()) {
    if (found->second->alive()) co_return found->second;
    connections_.erase(found);
  }
  const Duration limit = std::min<Duration>(limit_, kConnectLimit);
  auto connection = co_await rpc::Connection::connect(runtime_, address, limit);
  connections_[address] = connection;
  co_return connection;
}

Task<schema::Tracker::Client> Links::trackerAt(std::string address) {
  const bool known = connections_.contains(address) && connections_[address]->alive();
  auto connection = co_await open(address);
  auto tracker = connection->bootstrap<schema::Tracker>();
  if (known) co_return tracker;
  auto hello = tracker.helloRequest();
  hello.setProtocol(schema::PROTOCOL_VERSION);
  hello.setClient(client_);
  hello.setHost(hostName());
  hello.setKind("cli");
  auto promise = hello.send();
  auto answer = co_await rpc::call(runtime_, kj::mv(promise), kPingLimit);
  schema::check(answer.getStatus());
  connection->startPings([tracker]() mutable { return tracker.pingRequest().send().ignoreResult(); }, kPingInterval,
                         kPingLimit);
  for (auto other : answer.getTrackers()) {
    const std::string text = schema::toString(other);
    if (std::find(trackers_.begin(), trackers_.end(), text) == trackers_.end()) trackers_.push_back(text);
  }
  co_return tracker;
}

Task<schema::Tracker::Client> Links::anyTracker() {
  std::optional<Error> last;
  std::vector<std::string> order;
  if (!present_.empty()) order.push_back(present_);
  for (const std::string& address : trackers_) order.push_back(address);
  for (const std::string& address : order) {
    try {
      schema::Tracker::Client tracker = co_await trackerAt(address);
      present_ = address;
      co_return tracker;
    } catch (const Error& error) {
      last = error;
    }
  }
  throw last ? *last : Error(Errc::unavailable, "no tracker is known");
}

Task<schema::Storage::Client> Links::storageAt(std::string address) {
  const bool known = connections_.contains(address) && connections_[address]->alive();
  auto connection = co_await open(address);
  auto storage = connection->bootstrap<schema::Storage>();
  if (known) co_return storage;
  auto hello = storage.helloRequest();
  hello.setProtocol(schema::PROTOCOL_VERSION);
  hello.setClient(client_);
  hello.setHost(hostName());
  auto promise = hello.send();
  auto answer = co_await rpc::call(runtime_, kj::mv(promise), kPingLimit);
  schema::check(answer.getStatus());
  connection->startPings([storage]() mutable { return storage.pingRequest().send().ignoreResult(); }, kPingInterval,
                         kPingLimit);
  co_return storage;
}

Task<schema::IdServer::Client> Links::idServerAt(std::string address) {
  auto connection = co_await open(address);
  co_return connection->bootstrap<schema::IdServer>();
}

}  // namespace vcfs::cli
