#include "storage/cluster/trackers.h"

#include "common/base/log.h"
#include "common/rpc/call.h"
#include "schema/convert.h"

namespace vcfs::storage {

struct Trackers::Link {
  std::string address;
  std::shared_ptr<rpc::Connection> connection;  // while the session is up and this server registered
  schema::Tracker::Client client = nullptr;
  std::string lastProblem;  // so that a tracker that stays away is logged once
};

namespace {
constexpr std::size_t kMaxTrackers = 32;                             // learnt ones included
constexpr Duration kTakingIdentity = std::chrono::milliseconds(10);  // looked at so often

void tellProblem(const std::string& tracker, const Error& error) {
  if (remedyOf(error.code()) != Remedy::fixRequest) {
    log::warn("tracker.unreachable", {{"tracker", tracker}, {"reason", error.what()}});
    return;
  }
  // It is asked again all the same: what is wrong may be put right on the tracker's side.
  log::error("storage.refused", {{"tracker", tracker},
                                 {"reason", error.detail()},
                                 {"remedy",
                                  "nothing on the disk is changed and nothing is served through this tracker; do what "
                                  "the reason says, or stop this server, put its settings right, and start it again"}});
}
}  // namespace

Trackers::Trackers(Runtime& runtime, const Options& options, Store& store, Hooks hooks)
    : runtime_(runtime),
      options_(options),
      store_(store),
      hooks_(std::move(hooks)),
      instance_(runtime.random() | 1),
      storageId_(store.storageId()),
      cluster_(store.cluster()),
      uuid_(store.uuid()),
      stopping_(std::make_shared<Signal>(runtime.io)) {}

Trackers::~Trackers() { stop(); }

void Trackers::start(std::string address) {
  address_ = std::move(address);
  for (const std::string& tracker : options_.trackers) learn(tracker);
}

void Trackers::stop() {
  *alive_ = false;
  stopping_->notifyAll();
  for (auto& link : links_) {
    if (link->connection) link->connection->close("stopping");
  }
}

void Trackers::learn(const std::string& address) {
  if (address.empty() || links_.size() >= kMaxTrackers) return;
  for (const auto& link : links_) {
    if (link->address == address) return;
  }
  auto link = std::make_shared<Link>();
  link->address = address;
  links_.push_back(link);
  runtime_.spawn("tracker.session", maintain(link));
}

Task<void> Trackers::maintain(std::shared_ptr<Link> link) {
  const std::shared_ptr<bool> alive = alive_;
  Runtime& runtime = runtime_;
  const Duration interval = options_.heartbeatInterval;
  co_await hooks_.ready();
  while (*alive) {
    bool good = false;
    bool refused = false;  // that takes a person, and is no matter of moments
    try {
      if (!link->connection) co_await openSession(link);
      if (!*alive) co_return;
      good = co_await beat(link);
      if (!*alive) co_return;
      link->lastProblem.clear();
    } catch (const std::exception& exception) {  // also an answer that cannot be decoded
      if (!*alive) co_return;
      const Error error = asError(exception);
      refused = error.code() == Errc::invalid;
      if (link->lastProblem != error.what()) {
        link->lastProblem = error.what();
        tellProblem(link->address, error);
      }
      if (link->connection) link->connection->close("no answer to a heartbeat");
      link->connection = nullptr;
    }
    const Duration pause = good || refused ? interval : interval / 4;
    const std::shared_ptr<Signal> stopping = stopping_;
    co_await stopping->waitFor(runtime.clock, pause);
  }
}

Task<void> Trackers::openSession(std::shared_ptr<Link> link) {
  const std::shared_ptr<bool> alive = alive_;
  auto connection = co_await rpc::Connection::connect(runtime_, link->address, options_.connectLimit);
  if (!*alive) co_return;
  schema::Tracker::Client client = connection->bootstrap<schema::Tracker>();
  auto request = client.helloRequest();
  request.setProtocol(schema::PROTOCOL_VERSION);
  request.setClient(instance_);
  request.setHost(options_.zone);
  request.setKind("storage");
  request.setPath(address_);
  auto promise = request.send();
  auto answer = co_await rpc::call(runtime_, kj::mv(promise), options_.trackerLimit);
  if (!*alive) co_return;
  schema::check(answer.getStatus());
  const std::string cluster = schema::toString(answer.getCluster());
  if (!cluster_.empty() && cluster != cluster_) {
    throw Error(Errc::invalid, fmt::format("this disk belongs to cluster \"{}\", the tracker to \"{}\"; give the "
                                           "right --trackers or another --data",
                                           cluster_, cluster));
  }
  std::vector<std::string> others;
  for (auto address : answer.getTrackers()) others.push_back(schema::toString(address));
  link->client = client;
  co_await registerAt(link);
  if (!*alive) co_return;
  link->connection = connection;
  // A tracker that hangs must not be asked first: its session ends soon after it stops answering.
  connection->startPings([client]() mutable { return client.pingRequest().send().ignoreResult(); },
                         options_.pingInterval, options_.pingLimit);
  connection->onClosed([weak = std::weak_ptr<Link>(link), raw = connection.get()] {
    auto lost = weak.lock();
    if (lost && lost->connection.get() == raw) lost->connection = nullptr;
  });
  for (const std::string& address : others) learn(address);
  hooks_.registered();
}

Task<void> Trackers::registerAt(std::shared_ptr<Link> link) {
  const std::shared_ptr<bool> alive = alive_;
  const Heartbeat now = co_await hooks_.heartbeat();
  if (!*alive) co_return;
  bool empty = false;
  if (storageId_ == 0 && given_ == 0) {
    empty = co_await hooks_.empty();
    if (!*alive) co_return;
  }
  if (storageId_ == 0 && given_ != 0) {
    // A tracker that is told an id places files here.
    co_await takeIdentity(given_, givenCluster_, givenUuid_);
    if (!*alive) co_return;
  }
  auto request = link->client.registerStorageRequest();
  request.setName(options_.name);
  request.setGroup(options_.group);
  request.setZone(options_.zone);
  request.setAddress(address_);
  request.setDataDirectory(options_.dataDirectory);
  request.setCapacityBytes(now.space.capacityBytes);
  request.setFreeBytes(now.space.freeBytes);
  request.setInstance(instance_);
  request.setEmpty(empty);
  request.setPrevious(storageId_);
  request.setChecking(now.checking);
  request.setUuid(uuid_);
  auto promise = request.send();
  auto answer = co_await rpc::call(runtime_, kj::mv(promise), options_.trackerLimit);
  if (!*alive) co_return;
  schema::check(answer.getStatus());
  const StorageId id = answer.getStorage();
  const std::string cluster = schema::toString(answer.getCluster());
  const std::string uuid = schema::toString(answer.getUuid());
  if (id == 0) throw Error(Errc::internal, "the tracker gave storage id 0");
  co_await takeIdentity(id, cluster, uuid);
  if (!*alive) co_return;
  log::info("storage.registered", {{"tracker", link->address}, {"storage", id}});
}

// Nothing is served, and no file placed here, before the disk knows whose it is: the next process would be taken for
// that of a new server.
Task<void> Trackers::takeIdentity(StorageId id, std::string cluster, std::string uuid) {
  const std::shared_ptr<bool> alive = alive_;
  const std::shared_ptr<Signal> stopping = stopping_;
  while (takingIdentity_) {
    co_await stopping->waitFor(runtime_.clock, kTakingIdentity);
    if (!*alive) co_return;
  }
  checkIdentity(id, cluster, uuid);
  if (uuid.empty()) uuid = uuid_;  // a tracker that does not tell it
  const bool known = id == storageId_ && cluster == cluster_;
  if (known && uuid == uuid_) co_return;
  given_ = id;
  givenCluster_ = cluster;
  givenUuid_ = uuid;
  takingIdentity_ = true;
  std::optional<Error> failure;
  try {
    co_await hooks_.identity(id, cluster, uuid);
  } catch (const Error& error) {
    failure = error;
  }
  if (!*alive) co_return;
  takingIdentity_ = false;
  // A disk of a time before the uuid that is full goes on as it did; it is asked again at the next registration.
  if (failure && known) co_return;
  if (failure) throw *failure;
  storageId_ = id;
  cluster_ = cluster;
  uuid_ = uuid;
}

// Two trackers that disagree are not of one cluster, or the catalog was changed by hand.
void Trackers::checkIdentity(StorageId id, const std::string& cluster, const std::string& uuid) const {
  const StorageId mine = storageId_ != 0 ? storageId_ : given_;
  if (mine != 0 && id != mine) {
    throw Error(Errc::invalid, fmt::format("this disk is storage {} of its cluster, but the catalog knows \"{}\" as "
                                           "{}: it is not the disk of that name",
                                           mine, options_.name, id));
  }
  const std::string& own = uuid_.empty() ? givenUuid_ : uuid_;
  if (!own.empty() && !uuid.empty() && own != uuid) {
    throw Error(Errc::invalid, fmt::format("this disk belongs to another cluster ({}) than the tracker ({}); give the "
                                           "right --trackers, or another --data",
                                           own, uuid));
  }
  if (storageId_ == 0 && given_ != 0 && cluster != givenCluster_) {
    throw Error(Errc::invalid, fmt::format("a tracker of cluster \"{}\" has taken this new disk, and this one is of "
                                           "\"{}\"; give the trackers of one cluster only",
                                           givenCluster_, cluster));
  }
}

Task<bool> Trackers::beat(std::shared_ptr<Link> link) {
  const std::shared_ptr<bool> alive = alive_;
  const Heartbeat now = co_await hooks_.heartbeat();
  if (!*alive || !link->connection) co_return false;
  auto request = link->client.heartbeatRequest();
  request.setStorage(storageId_);
  request.setCapacityBytes(now.space.capacityBytes);
  request.setFreeBytes(now.space.freeBytes);
  request.setLiveFiles(now.liveFiles);
  request.setBytesToGo(now.bytesToGo);
  request.setLoadBytesPerSecond(now.loadBytesPerSecond);
  request.setChecking(now.checking);
  auto promise = request.send();
  auto answer = co_await rpc::call(runtime_, kj::mv(promise), options_.trackerLimit);
  if (!*alive) co_return false;
  const auto code = answer.getStatus().getCode();
  if (code == schema::ErrorCode::NOT_FOUND) {
    co_await registerAt(link);
    if (!*alive) co_return false;
    hooks_.registered();
    co_return true;
  }
  schema::check(answer.getStatus());
  co_return true;
}

std::vector<std::shared_ptr<Trackers::Link>> Trackers::up() const {
  std::vector<std::shared_ptr<Link>> result;
  for (const auto& link : links_) {
    if (link->connection && link->connection->alive()) result.push_back(link);
  }
  return result;
}

bool Trackers::connected() const { return !up().empty(); }

std::vector<std::string> Trackers::addresses() const {
  std::vector<std::string> result;
  for (const auto& link : links_) result.push_back(link->address);
  return result;
}

namespace {
bool tryAnother(const Error& error) {
  switch (error.code()) {
    case Errc::unavailable:
    case Errc::timeout:
    case Errc::overloaded:
    case Errc::internal:  // something is wrong with that tracker; and what cannot be decoded
      return true;
    default:
      return false;
  }
}
constexpr std::uint32_t kPage = 1000;
Error nobody(const std::string& reason) {
  return Error(Errc::unavailable, reason.empty() ? "no tracker answers" : "no tracker answers: " + reason);
}

template <class List>
std::vector<Layout> toLayouts(List list) {
  std::vector<Layout> layouts;
  for (auto layout : list) layouts.push_back(schema::toLayout(layout));
  return layouts;
}
}  // namespace

// Asks one tracker after the other until one has answered; what it answered is checked, and told as `read` has it. That
// is done here, since an answer that cannot be decoded is known only when it is read.
template <class Build, class Read>
auto Trackers::ask(Build build, Read read) -> Task<ReadBy<Build, Read>> {
  std::string reason;
  for (const auto& link : up()) {
    try {
      auto promise = build(link->client);
      auto answer = co_await rpc::call(runtime_, kj::mv(promise), options_.trackerLimit);
      schema::check(answer.getStatus());
      co_return read(answer);
    } catch (const std::exception& exception) {
      const Error error = asError(exception);
      if (!tryAnother(error)) throw error;
      reason = error.what();
    }
  }
  throw nobody(reason);
}

Task<std::vector<Layout>> Trackers::reportFailure(std::vector<LostReplica> lost) {
  auto build = [&](schema::Tracker::Client& tracker) {
    auto request = tracker.reportFailureRequest();
    auto failed = request.initFailed(static_cast<unsigned>(lost.size()));
    for (unsigned i = 0; i < lost.size(); ++i) {
      failed[i].setInode(lost[i].inode);
      failed[i].setEpoch(lost[i].epoch);
      failed[i].setStorage(lost[i].storage);
    }
    request.setReporter(options_.name);
    return request.send();
  };
  auto read = [](auto& answer) { return toLayouts(answer.getLayouts()); };
  co_return co_await ask(build, read);
}

Task<std::vector<Layout>> Trackers::reportFiles(std::vector<SizeReport> reports) {
  auto build = [&](schema::Tracker::Client& tracker) {
    auto request = tracker.reportFilesRequest();
    request.setStorage(storageId_);
    auto files = request.initFiles(static_cast<unsigned>(reports.size()));
    for (unsigned i = 0; i < reports.size(); ++i) {
      files[i].setInode(reports[i].inode);
      files[i].setEpoch(reports[i].epoch);
      files[i].setSize(reports[i].size);
      files[i].setMtimeNs(reports[i].mtimeNs);
      files[i].setBlocks(reports[i].blocks);
      files[i].setState(static_cast<schema::FileState>(reports[i].state));
      files[i].setOrder(reports[i].order);
    }
    return request.send();
  };
  auto read = [](auto& answer) { return toLayouts(answer.getNewer()); };
  co_return co_await ask(build, read);
}

Task<void> Trackers::syncCatalog() {
  auto build = [](schema::Tracker::Client& tracker) { return tracker.syncNamesRequest().send(); };
  auto read = [](auto&) {};
  co_await ask(build, read);
}

Task<Layout> Trackers::caughtUp(InodeId inode, Epoch epoch) {
  auto build = [&](schema::Tracker::Client& tracker) {
    auto request = tracker.caughtUpRequest();
    request.setStorage(storageId_);
    request.setInode(inode);
    request.setEpoch(epoch);
    return request.send();
  };
  auto read = [](auto& answer) { return schema::toLayout(answer.getLayout()); };
  co_return co_await ask(build, read);
}

Task<Layout> Trackers::present(InodeId inode) {
  auto build = [&](schema::Tracker::Client& tracker) {
    auto request = tracker.getAttrRequest();
    request.setInode(inode);
    return request.send();
  };
  auto read = [](auto& answer) { return schema::toLayout(answer.getEntry().getLayout()); };
  co_return co_await ask(build, read);
}

namespace {

// Of a listing of a storage server's replicas: the page behind `after`.
template <class Request>
auto sendForPage(Request request, StorageId storage, InodeId after) {
  request.setStorage(storage);
  request.setAfter(after);
  request.setLimit(kPage);
  return request.send();
}

}  // namespace

Task<Trackers::StalePage> Trackers::replicasHere(InodeId after) {
  auto build = [&](schema::Tracker::Client& tracker) {
    return sendForPage(tracker.replicasHereRequest(), storageId_, after);
  };
  auto read = [](auto& answer) {
    StalePage page;
    for (auto file : answer.getFiles()) page.layouts.push_back(schema::toLayout(file.getLayout()));
    page.more = answer.getMore();
    return page;
  };
  co_return co_await ask(build, read);
}

Task<Trackers::StalePage> Trackers::staleReplicas(InodeId after) {
  auto build = [&](schema::Tracker::Client& tracker) {
    return sendForPage(tracker.staleReplicasRequest(), storageId_, after);
  };
  auto read = [](auto& answer) { return StalePage{toLayouts(answer.getLayouts()), answer.getMore()}; };
  co_return co_await ask(build, read);
}

}  // namespace vcfs::storage
