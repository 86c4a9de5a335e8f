#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/settings.h"
#include "schema/convert.h"
#include "tracker/core/names.h"
#include "tracker/service/coordinator.h"
#include "tracker/service/handlers.h"

// Storage servers: registration, heartbeats, reports, failures.
namespace vcfs::tracker {

namespace {

constexpr unsigned kMaxBatch = 1000;
constexpr int kRegisterAttempts = 10;

void checkBatch(unsigned size, const char* what) {
  if (size > kMaxBatch) throw Error(Errc::invalid, std::string(what) + ": at most 1000 per call");
}

std::vector<Layout> changedLayouts(const std::vector<ops::LayoutChange>& changes) {
  std::vector<Layout> layouts;
  for (const ops::LayoutChange& change : changes) {
    if (change.changed) layouts.push_back(change.layout);
  }
  return layouts;
}

void fillAll(TrackerCore& core, capnp::List<schema::Layout>::Builder list, std::vector<ops::LayoutChange>& changes) {
  for (unsigned i = 0; i < list.size(); ++i) {
    core.fillAddresses(changes[i].layout);
    schema::fill(list[i], changes[i].layout);
  }
}

ops::FileReport toReport(schema::FileReport::Reader reader) {
  ops::FileReport report;
  report.inode = reader.getInode();
  report.epoch = reader.getEpoch();
  report.size = reader.getSize();
  report.mtimeNs = reader.getMtimeNs();
  report.blocks = reader.getBlocks();
  report.order = reader.getOrder();
  const auto state = static_cast<std::uint16_t>(reader.getState());
  report.state = state <= 3 ? static_cast<FileState>(state) : FileState::none;
  return report;
}

// A second process under a live server's name would be two writers of one identity.
void refuseTwin(TrackerCore& core, const std::string& name, std::uint64_t instance) {
  const TimePoint now = core.runtime.clock.now();
  const StorageServer* present = core.map.findByName(name);
  const bool alive = present != nullptr && core.map.alive(present->id, now);
  if (alive && present->instance != instance) {
    throw Error(Errc::exists, "a storage server named " + name + " is live at " + present->address +
                                  "; give each server its own --name");
  }
  if (!alive && core.applicants.expectsAnother(name, instance, now)) {
    throw Error(Errc::exists, "another new storage server named " + name + " has just been registered" +
                                  "; give each server its own --name");
  }
}

// Clusters mostly have the same name, and each counts its servers and files from the same numbers.
void refuseForeign(const TrackerCore& core, const std::string& name, const std::string& uuid) {
  if (uuid.empty() || uuid == core.cluster.uuid) return;
  throw Error(Errc::invalid, "the disk of " + name + " belongs to another cluster (" + uuid + ", this one is " +
                                 core.cluster.uuid +
                                 "): give the right --trackers, or an empty --data for a new server");
}

ops::StorageRow toRow(schema::Tracker::RegisterStorageParams::Reader p) {
  ops::StorageRow row;
  row.name = schema::toString(p.getName());
  row.group = schema::toString(p.getGroup());
  row.zone = schema::toString(p.getZone());
  row.address = schema::toString(p.getAddress());
  row.dataDirectory = schema::toString(p.getDataDirectory());
  checkLabel("server name", row.name);
  checkLabel("group", row.group);
  checkLabel("zone", row.zone);
  parseAddress(row.address);
  if (row.dataDirectory.size() > kMaxPath) {
    throw Error(Errc::invalid, "the data directory's path is longer than 4096 bytes");
  }
  return row;
}

// What is said once a second would fill the log.
void noteRefusal(TrackerCore& core, const ops::StorageRow& row, std::uint64_t instance, const Error& error) {
  if (error.code() != Errc::invalid && error.code() != Errc::exists) return;
  if (!core.applicants.refused(row.name, instance, error.detail(), core.runtime.clock.now())) return;
  log::warn("storage.refused", {{"name", row.name}, {"address", row.address}, {"reason", error.detail()}});
}

Task<StorageId> addToCatalog(std::shared_ptr<TrackerCore> core, ops::StorageRow row, ops::Disk disk) {
  const std::uint32_t copies = core->options.map.defaultCopies;
  for (int attempt = 1;; ++attempt) {
    auto op = [=](SqlTx& tx) { return ops::registerStorage(tx, row, copies, disk); };
    try {
      co_return co_await core->catalog.write(std::move(op), Durability::stable);
    } catch (const Error& error) {
      // Another tracker has registered this server, or one that took the same id, at the same moment: now that is seen.
      if (error.code() != Errc::exists || attempt == kRegisterAttempts) throw;
    }
  }
}

}  // namespace

Task<void> Handlers::registerStorage(RegisterStorageContext context) {
  auto p = context.getParams();
  const ops::StorageRow row = toRow(p);
  const std::uint64_t instance = p.getInstance();
  const ops::Disk disk{p.getPrevious(), p.getEmpty()};
  const std::string uuid = schema::toString(p.getUuid());
  StorageServer server;
  try {
    refuseTwin(*core_, row.name, instance);
    refuseForeign(*core_, row.name, uuid);
    server.id = co_await addToCatalog(core_, row, disk);
  } catch (const Error& error) {
    noteRefusal(*core_, row, instance, error);
    throw;
  }
  server.name = row.name;
  server.group = row.group;
  server.zone = row.zone;
  server.address = row.address;
  server.dataDirectory = row.dataDirectory;
  server.instance = instance;
  server.session = session_->id;
  server.capacityBytes = p.getCapacityBytes();
  server.freeBytes = p.getFreeBytes();
  server.checking = p.getChecking();
  const StorageId id = server.id;
  auto results = context.getResults();
  results.setStorage(id);
  results.setCluster(core_->cluster.name);
  results.setUuid(core_->cluster.uuid);
  if (disk.isNew()) {
    // Its heartbeat is answered with notFound, and it comes back with its id when that is on its disk.
    core_->applicants.admitted(row.name, instance, core_->runtime.clock.now());
    co_return;
  }
  core_->applicants.arrived(row.name);
  // The connection may be gone by now; then its end was noticed before the server was in the map.
  auto connection = session_->connection.lock();
  const bool connected = connection && connection->alive();
  if (connected) {
    session_->storage = id;
    core_->map.registered(std::move(server), core_->runtime.clock.now());
    coordinator_->nudge();
  }
  log::info("storage.registered",
            {{"name", row.name}, {"storage", id}, {"address", row.address}, {"group", row.group}});
}

Task<void> Handlers::heartbeat(HeartbeatContext context) {
  auto p = context.getParams();
  ClusterMap::Heartbeat beat;
  beat.capacityBytes = p.getCapacityBytes();
  beat.freeBytes = p.getFreeBytes();
  beat.liveFiles = p.getLiveFiles();
  beat.bytesToGo = p.getBytesToGo();
  beat.loadBytesPerSecond = p.getLoadBytesPerSecond();
  beat.checking = p.getChecking();
  if (session_->storage != p.getStorage() || !core_->map.heartbeat(p.getStorage(), beat, core_->runtime.clock.now())) {
    throw Error(Errc::notFound, "storage server " + std::to_string(p.getStorage()) + " is not registered here");
  }
  co_return;
}

Task<void> Handlers::reportFailure(ReportFailureContext context) {
  auto list = context.getParams().getFailed();
  checkBatch(list.size(), "reportFailure");
  std::vector<ops::FailedReplica> failed;
  for (auto one : list) {
    failed.push_back(ops::FailedReplica{one.getInode(), one.getEpoch(), one.getStorage(), one.getUnasked()});
  }
  const StorageId reporter = session_->storage;
  auto changes = co_await core_->loseReplicas(failed, reporter);
  const auto lost = std::count_if(changes.begin(), changes.end(), [](const auto& change) { return change.changed; });
  if (lost != 0) {
    log::warn("replicas.lost", {{"files", lost},
                                {"storage", failed.front().storage},
                                {"reporter", schema::toString(context.getParams().getReporter())}});
  }
  std::vector<Layout> layouts;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (core_->isNews(changes[i].layout, failed[i].epoch)) layouts.push_back(changes[i].layout);
  }
  co_await core_->announce(std::move(layouts), reporter, core_->options.adoptWait);
  // This tracker may be cut off from the storage servers; another one may not be. Whatever else was reported with these
  // is answered first: they come again alone.
  const bool deaf = std::all_of(changes.begin(), changes.end(), [](const auto& change) { return change.unheard; });
  if (deaf && !changes.empty()) throw Error(Errc::unavailable, "none of those who may follow a lost primary answers");
  auto results = context.getResults();
  fillAll(*core_, results.initLayouts(static_cast<unsigned>(changes.size())), changes);
}

Task<void> Handlers::reportFiles(ReportFilesContext context) {
  auto p = context.getParams();
  checkBatch(p.getFiles().size(), "reportFiles");
  std::vector<ops::FileReport> reports;
  for (auto file : p.getFiles()) reports.push_back(toReport(file));
  const StorageId storage = p.getStorage();
  const ops::Occasion occasion = core_->occasion(ops::Request());
  auto op = [storage, reports, occasion](SqlTx& tx) { return ops::reportFiles(tx, storage, reports, occasion); };
  ops::FilesReported done = co_await core_->catalog.write(std::move(op));
  core_->hub.publish(done.changes, 0);
  auto newer = context.getResults().initNewer(static_cast<unsigned>(done.newer.size()));
  for (unsigned i = 0; i < done.newer.size(); ++i) {
    core_->fillAddresses(done.newer[i]);
    schema::fill(newer[i], done.newer[i]);
  }
}

Task<void> Handlers::caughtUp(CaughtUpContext context) {
  auto p = context.getParams();
  const StorageId storage = p.getStorage();
  const InodeId inode = p.getInode();
  const Epoch epoch = p.getEpoch();
  const ops::Occasion occasion = core_->occasion(ops::Request());
  auto op = [=](SqlTx& tx) { return ops::caughtUp(tx, storage, inode, epoch, occasion); };
  ops::LayoutChange change = co_await core_->catalog.write(std::move(op), Durability::stable);
  core_->fillAddresses(change.layout);
  if (change.changed) {
    log::info("replica.caught_up", {{"inode", log::hex(inode)}, {"storage", storage}, {"epoch", change.layout.epoch}});
  }
  if (change.changed || core_->isNews(change.layout, epoch)) {
    std::vector<Layout> layouts(1, change.layout);
    // A server that is being emptied may have got rid of its replica thereby.
    std::vector<StorageId> left = change.dropped;
    const auto view = core_->map.view(core_->runtime.clock.now());
    for (const Replica& replica : change.layout.replicas) {
      const Server* server = view->find(replica.storage);
      if (replica.state == ReplicaState::stale && server != nullptr && server->leaving) left.push_back(replica.storage);
    }
    co_await core_->announce(std::move(layouts), storage, core_->options.adoptWait, std::move(left));
  }
  schema::fill(context.getResults().initLayout(), change.layout);
}

Task<void> Handlers::staleReplicas(StaleReplicasContext context) {
  auto p = context.getParams();
  const StorageId storage = p.getStorage();
  const InodeId after = p.getAfter();
  const std::uint32_t limit = p.getLimit();
  const ops::Occasion occasion = core_->occasion(ops::Request());
  auto op = [=](SqlTx& tx) { return ops::staleReplicas(tx, storage, after, limit, occasion); };
  ops::LayoutPage page = co_await core_->catalog.write(std::move(op), Durability::stable);
  co_await core_->announce(changedLayouts(page.layouts), storage, core_->options.adoptWait);
  auto results = context.getResults();
  fillAll(*core_, results.initLayouts(static_cast<unsigned>(page.layouts.size())), page.layouts);
  results.setMore(page.more);
}

Task<void> Handlers::replicasHere(ReplicasHereContext context) {
  auto p = context.getParams();
  const StorageId storage = p.getStorage();
  const InodeId after = p.getAfter();
  const std::uint32_t limit = p.getLimit();
  auto op = [storage, after, limit](SqlTx& tx) { return ops::replicasHere(tx, storage, after, limit); };
  ops::LayoutPage page = co_await core_->catalog.read(std::move(op));
  auto results = context.getResults();
  auto files = results.initFiles(static_cast<unsigned>(page.layouts.size()));
  for (unsigned i = 0; i < page.layouts.size(); ++i) {
    core_->fillAddresses(page.layouts[i].layout);
    schema::fill(files[i].initLayout(), page.layouts[i].layout);
  }
  results.setMore(page.more);
}

}  // namespace vcfs::tracker
