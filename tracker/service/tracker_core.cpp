#include "tracker/service/tracker_core.h"

#include "common/base/advertise.h"
#include "common/base/error.h"
#include "common/base/log.h"

namespace vcfs::tracker {

namespace {

constexpr std::size_t kMostAnnounced = 100'000;  // files whose last announcement is remembered

std::uint64_t drawId(Runtime& runtime) {
  std::uint64_t id = 0;
  while (id == 0) id = runtime.random();
  return id;
}

}  // namespace

TrackerCore::TrackerCore(Runtime& rt, Catalog& c, TrackerOptions o)
    : runtime(rt),
      catalog(c),
      options(std::move(o)),
      self(drawId(rt)),
      map(options.map, rt.clock.now()),
      lockGrace(options.lockLease, rt.clock.now(), rt.clock.wallNs()),
      hub(rt, options.watchBacklog),
      names(rt, hub),
      storages(rt, map, self, hostName(), options.callLimit),
      ids(std::make_shared<IdSource>(rt, c, options.idservers, options.ids)),
      peers(std::make_shared<Peers>(rt, hub, self, options.address(), options.trackers, options.callLimit)),
      census(std::make_shared<Census>(rt, c, map)),
      inodes(std::make_shared<InodeCount>(rt, c)),
      trash(std::make_shared<TrashSpace>(rt, c, map, options.trashRetention)),
      sole(std::make_shared<SoleLease>(rt, c, hub, options.address(), options.trackers.size() <= 1)) {
  map.tick(rt.clock.now());  // it may stand still before the coordinator's first round
}

Task<void> TrackerCore::start() {
  const std::string name = options.cluster;
  const std::string uuid = log::hex(drawId(runtime)) + log::hex(drawId(runtime));
  const std::int64_t now = runtime.clock.wallNs();
  auto begin = [name, uuid, now](SqlTx& tx) { return ops::bootstrap(tx, name, uuid, now); };
  bool madeByAnother = false;
  try {
    cluster = co_await catalog.write(begin, Durability::stable);
  } catch (const Error& error) {
    // Another tracker began the same cluster at the same moment: what it made is found now.
    if (error.code() != Errc::exists) throw;
    madeByAnother = true;
  }
  if (madeByAnother) cluster = co_await catalog.write(begin, Durability::stable);
  co_await loadStorages();
  co_await inodes->start();
  lockGrace.interrupted(runtime.clock.now());
  // What it was is not known any more: a change of neither an inode nor a name says that anything may be otherwise.
  catalog.onLateCommit([weak = weak_from_this()] {
    const auto core = weak.lock();
    if (core && !core->stopped) core->hub.publish(std::vector<Change>(1), 0);
  });
  co_await sole->start();
  ids->start();
  peers->start();
}

void TrackerCore::stop() {
  stopped = true;
  sole->stop();
  ids->stop();
  peers->stop();
  census->stop();
  inodes->stop();
  trash->stop();
  storages.close();
}

Task<void> TrackerCore::loadStorages() {
  auto list = [](SqlTx& tx) { return ops::listStorages(tx); };
  const auto rows = co_await catalog.read(std::move(list));
  std::set<StorageId> known;
  for (const ops::StorageRow& row : rows) {
    known.insert(row.id);
    StorageServer server;
    server.id = row.id;
    server.name = row.name;
    server.group = row.group;
    server.zone = row.zone;
    server.address = row.address;
    server.dataDirectory = row.dataDirectory;
    server.draining = row.draining;
    server.awaySince = row.awaySinceNs;
    map.load(std::move(server));
  }
  map.retain(known);
}

ops::Occasion TrackerCore::occasion(ops::Request request) {
  ops::Occasion occasion;
  occasion.now = runtime.clock.wallNs();
  occasion.request = request;
  occasion.view = map.view(runtime.clock.now());
  occasion.trash.retentionNs = std::chrono::nanoseconds(options.trashRetention).count();
  return occasion;
}

Task<ops::Outcome> TrackerCore::mutate(ClientId origin, ops::Request request, ops::RequestOp op,
                                       std::vector<ops::NameAt> names, Mutation mutation) {
  std::optional<ops::Outcome> outcome;
  std::optional<Error> failure;
  try {
    outcome = co_await catalog.write(std::move(mutation));
  } catch (const Error& error) {
    failure = error;
  }
  // A repeat of a committed request fails, at the latest because its id is taken: then it answers as it did.
  if (failure && request.client != 0 && remedyOf(failure->code()) == Remedy::fixRequest) {
    auto find = [request, op](SqlTx& tx) { return ops::findRequest(tx, request, op); };
    auto earlier = co_await catalog.read(std::move(find));
    if (earlier) {
      outcome = std::move(*earlier);
      // Nobody may have been told: the answer to its COMMIT was lost, or it came when its caller had given up.
      outcome->changes = ops::changesAgain(*outcome, names);
      failure.reset();
    }
  }
  if (failure) throw *failure;
  hub.publish(outcome->changes, origin);
  fillAddresses(*outcome);
  co_return std::move(*outcome);
}

void TrackerCore::fillAddresses(Layout& layout) {
  for (Replica& replica : layout.replicas) {
    replica.address = map.address(replica.storage);
    if (replica.address.empty()) learnStorages();
  }
}

// One that registered with another tracker. Whoever asked gets no address and asks again.
void TrackerCore::learnStorages() {
  if (!catalog.shared() || learning_ || stopped) return;
  learning_ = true;
  runtime.spawn("storages.learn", learn());
}

Task<void> TrackerCore::learn() {
  constexpr Duration kPause = std::chrono::milliseconds(100);  // a server that was removed is asked for in vain
  auto keep = shared_from_this();
  try {
    co_await loadStorages();
  } catch (const Error& error) {
    log::debug("storages.not_learned", {{"reason", error.what()}});
  }
  co_await runtime.clock.sleep(kPause);
  learning_ = false;
}

void TrackerCore::fillAddresses(ops::Outcome& outcome) {
  fillAddresses(outcome.entry.layout);
  if (outcome.replaced) fillAddresses(outcome.replaced->layout);
}

bool TrackerCore::hasSession(ClientId client) const {
  return std::any_of(sessions.begin(), sessions.end(), [&](const auto& item) { return item.second->client == client; });
}

bool TrackerCore::isNews(const Layout& layout, Epoch known) const {
  if (layout.inode == 0 || layout.epoch <= known) return false;
  const auto told = announced_.find(layout.inode);
  return told == announced_.end() || told->second < layout.epoch;
}

Task<void> TrackerCore::announce(std::vector<Layout> layouts, StorageId reporter, Duration wait,
                                 std::vector<StorageId> left) {
  auto keep = shared_from_this();
  auto awaited = std::make_shared<std::size_t>(0);
  auto done = std::make_shared<Signal>(runtime.io);
  std::vector<Change> changes;
  if (announced_.size() + layouts.size() > kMostAnnounced) announced_.clear();
  for (Layout& layout : layouts) {
    fillAddresses(layout);
    announced_[layout.inode] = layout.epoch;
    Change change = ops::tellInode(layout.inode);
    change.layout = true;
    changes.push_back(std::move(change));
    const Replica* primary = layout.primary();
    for (StorageId storage : left) {
      const bool serves = std::any_of(layout.replicas.begin(), layout.replicas.end(), [&](const Replica& r) {
        return r.storage == storage && r.state != ReplicaState::stale;
      });
      if (serves || !map.alive(storage, runtime.clock.now())) continue;
      runtime.spawn("adopt", adoptOne(layout, storage, nullptr, done));
    }
    for (const Replica& replica : layout.replicas) {
      // The reporter learns it from its answer; a server that is away learns it when it comes back. One whose replica
      // is stale now may be well, and serve readers who have not heard of it.
      if (replica.storage == reporter || !map.alive(replica.storage, runtime.clock.now())) continue;
      const bool isPrimary = primary != nullptr && primary->storage == replica.storage;
      if (isPrimary) ++*awaited;
      runtime.spawn("adopt", adoptOne(layout, replica.storage, isPrimary ? awaited : nullptr, done));
    }
  }
  hub.publish(changes, 0);
  const TimePoint deadline = runtime.clock.now() + wait;
  while (*awaited > 0 && runtime.clock.now() < deadline) {
    co_await done->waitFor(runtime.clock, deadline - runtime.clock.now());
  }
}

Task<void> TrackerCore::adoptOne(Layout layout, StorageId storage, std::shared_ptr<std::size_t> awaited,
                                 std::shared_ptr<Signal> done) {
  auto keep = shared_from_this();
  const InodeId inode = layout.inode;
  try {
    co_await storages.adopt(storage, std::move(layout));
  } catch (const Error& error) {
    // Whoever speaks to it next brings the newer epoch along.
    log::debug("adopt.failed", {{"inode", log::hex(inode)}, {"storage", storage}, {"reason", error.what()}});
  }
  if (!awaited) co_return;
  --*awaited;
  done->notifyAll();
}

}  // namespace vcfs::tracker
