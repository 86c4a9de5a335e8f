#include "tests/sim/sim_cluster.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "tracker/ops/operations.h"

namespace vcfs::sim {

namespace {

std::string trackerAddress(int n) { return "t" + std::to_string(n) + ":21000"; }

std::string newDirectory() {
  // Memory where there is some: the catalog's fdatasync is real.
  std::string name = std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path().string();
  name += "/vcfs-sim-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  return name;
}

std::string storageName(int n) { return "s" + std::to_string(n); }

}  // namespace

SimCluster::SimCluster(int storages, std::uint64_t seed, int trackers, std::function<Duration()> diskTime,
                       std::uint32_t copies)
    : seed_(seed),
      trackerCount_(trackers),
      copies_(copies),
      diskTime_(std::move(diskTime)),
      directory_(newDirectory()) {
  for (int n = 1; n <= trackers; ++n) startTracker(n);
  // One after the other, so that the catalog's ids are their numbers.
  for (int n = 1; n <= storages; ++n) {
    startStorage(n);
    if (!until([&] { return storages_[n]->node().self() != 0; })) throw std::runtime_error("no tracker takes storages");
    if (storages_[n]->node().self() != static_cast<StorageId>(n)) throw std::runtime_error("ids are not as expected");
  }
  advance(4s);  // the trackers have met everybody, the coordinator has its lease
}

SimCluster::~SimCluster() {
  healAll();
  storages_.clear();
  trackers_.clear();
  // What was waiting for an answer learns that there is none, and lets go.
  advance(60s);
  ways_.clear();
  catalog_.reset();
  former_.clear();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void SimCluster::advance(Duration time) { clock.advance(time); }

bool SimCluster::until(const std::function<bool()>& done, Duration limit) {
  clock.advance(Duration{});
  const TimePoint end = clock.now() + limit;
  while (!done()) {
    if (clock.now() >= end) return false;
    if (!clock.advanceToNext(end - clock.now())) clock.advance(end - clock.now());
  }
  return true;
}

void SimCluster::run(Task<void> task, Duration limit) {
  struct Outcome {
    std::exception_ptr failure;
    bool done = false;
  };
  auto outcome = std::make_shared<Outcome>();
  asio::co_spawn(io, std::move(task), [outcome](std::exception_ptr error) {
    outcome->failure = error;
    outcome->done = true;
  });
  if (!until([&] { return outcome->done; }, limit)) throw std::runtime_error("the coroutine did not end");
  if (outcome->failure) std::rethrow_exception(outcome->failure);
}

Host& SimCluster::host(const std::string& name) {
  auto& slot = hosts_[name];
  if (!slot) {
    slot = std::make_unique<Host>(io, clock, network, name, seed_ * 100 + hosts_.size(), wallOffset());
    // A host that comes later is as cut off from the others as they are.
    for (auto& [a, b] : std::set<std::pair<std::string, std::string>>(cuts_)) {
      if (b == "*" && a != name) cut(a, name);
    }
  }
  return *slot;
}

Duration SimCluster::wallOffset() const {
  if (seed_ % 2 == 0) return {};
  std::mt19937_64 random(seed_ * 100 + hosts_.size());
  return std::chrono::seconds(random() % 7200) - 1h;
}

void SimCluster::startTracker(int n) {
  if (!catalog_) {
    tracker::SqliteOptions sqlite;
    sqlite.path = directory_ + "/catalog.db";
    sqlite.inlinePools = true;
    catalog_ = std::make_unique<tracker::SqliteCatalog>(host("db").runtime, sqlite);
  }
  tracker::TrackerOptions options;
  options.listen = trackerAddress(n);
  options.cluster = "sim";
  options.map.defaultCopies = copies_;
  if (trackerCount_ > 1) {
    for (int each = 1; each <= trackerCount_; ++each) options.trackers.push_back(trackerAddress(each));
  }
  Runtime& runtime = host("t" + std::to_string(n)).runtime;
  ways_.push_back(std::make_unique<FaultyCatalog>(*catalog_, catalogFaults_, seed_ * 1000 + ways_.size()));
  trackers_[n] = std::make_unique<tracker::TrackerService>(runtime, *ways_.back(), options);
  run(trackers_[n]->start());
}

void SimCluster::crashTracker(int n) {
  network.reset("t" + std::to_string(n));
  trackers_.erase(n);
  if (trackers_.empty()) former_.push_back(std::move(catalog_));
  advance(Duration{});
}

int SimCluster::coordinators() const {
  return static_cast<int>(
      std::count_if(trackers_.begin(), trackers_.end(), [](const auto& one) { return one.second->coordinates(); }));
}

void SimCluster::startStorage(int n) {
  if (!stores_[n]) {
    stores_[n] = std::make_unique<storage::MemoryStore>();
    faults_[n] = std::make_shared<DiskFaults>();
  }
  storage::Options options;
  options.name = options.zone = storageName(n);
  options.listen = options.name + ":21100";
  options.dataDirectory = "/" + options.name;
  for (int each = 1; each <= trackerCount_; ++each) options.trackers.push_back(trackerAddress(each));
  disks_[n] = std::make_unique<ProcessDisk>(*stores_[n], faults_[n], seed_ * 1000 + ++lives_);
  storages_[n] = std::make_unique<storage::StorageService>(host(options.name).runtime, *disks_[n], pools(n), options);
  storages_[n]->start();
  advance(Duration{});
}

storage::Pools SimCluster::pools(int n) {
  if (!diskTime_) return storage::Pools::inlined(io);
  const auto takes = [faults = faults_[n], usual = diskTime_] { return usual() + faults->delay; };
  Clock& own = host(storageName(n)).clock;
  return storage::Pools{makeSimPool(io, own, takes), makeSimPool(io, own, takes), makeSimPool(io, own, takes),
                        makeSimPool(io, own, takes)};
}

void SimCluster::crashStorage(int n) {
  network.reset(storageName(n));
  disks_[n]->die();
  formerDisks_.push_back(std::move(disks_[n]));
  storages_.erase(n);
  advance(Duration{});
}

void SimCluster::losePower(int n) {
  crashStorage(n);
  stores_[n]->losePower();
}

void SimCluster::hang(const std::string& name) {
  network.stop(name);
  host(name).clock.stop();
}

void SimCluster::goOn(const std::string& name) {
  network.goOn(name);
  host(name).clock.goOn();
}

std::shared_ptr<Cluster> SimCluster::connect(const std::string& name, ClusterOptions options) {
  for (int n = 1; n <= trackerCount_; ++n) options.trackers.push_back(trackerAddress(n));
  return run(Cluster::connect(host(name).runtime, std::move(options)));
}

// ---- the network

std::vector<std::string> SimCluster::hostNames() const {
  std::vector<std::string> names;
  for (const auto& [name, host] : hosts_) names.push_back(name);
  return names;
}

void SimCluster::cut(const std::string& a, const std::string& b) {
  network.cut(a, b);
  network.cut(b, a);
  cuts_.emplace(a, b);
}

void SimCluster::cutOneWay(const std::string& from, const std::string& to) {
  network.cut(from, to);
  cuts_.emplace(from, to);
}

void SimCluster::cutOff(const std::string& host) {
  for (const std::string& other : hostNames()) {
    if (other != host) cut(host, other);
  }
  cuts_.emplace(host, "*");
}

void SimCluster::healAll() {
  for (const auto& [a, b] : cuts_) {
    network.heal(a, b);
    network.heal(b, a);
  }
  cuts_.clear();
}

// ---- what is where

Entry SimCluster::entry(InodeId inode) {
  tracker::Catalog& catalog = catalog_ ? *catalog_ : *former_.back();
  auto ask = [inode](tracker::SqlTx& tx) { return tracker::ops::getAttr(tx, inode); };
  return run(catalog.read(ask));
}

int SimCluster::primary(InodeId inode) {
  const Entry found = entry(inode);
  const Replica* first = found.layout.primary();
  return first == nullptr ? 0 : static_cast<int>(first->storage);
}

std::vector<int> SimCluster::inSync(InodeId inode) {
  std::vector<int> found;
  for (const Replica& replica : entry(inode).layout.replicas) {
    if (replica.state == ReplicaState::inSync) found.push_back(static_cast<int>(replica.storage));
  }
  return found;
}

// Nothing to be checked after a start, nothing to be told to a tracker that may be away.
bool SimCluster::settled(int n) {
  if (!storageRuns(n)) return false;
  const std::string status = storage(n).node().statusJson();
  return status.find("\"recovered\":true") != std::string::npos &&
         status.find("\"replicas_being_reported\":0") != std::string::npos;
}

bool SimCluster::vouches(int n, InodeId inode) {
  if (!storageRuns(n)) return false;
  storage::Node& node = storage(n).node();
  if (node.statusJson().find("\"recovered\":true") == std::string::npos) return false;
  const storage::FilePtr file = node.find(inode);
  return !file || (file->ready && !file->replica.distrusted());
}

bool SimCluster::whole(InodeId inode, std::size_t copies) {
  std::size_t good = 0;
  for (const Replica& replica : entry(inode).layout.replicas) {
    if (replica.state != ReplicaState::inSync) return false;
    good += settled(static_cast<int>(replica.storage)) ? 1 : 0;
  }
  return good >= copies;
}

}  // namespace vcfs::sim
