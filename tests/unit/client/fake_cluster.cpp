#include "tests/unit/client/fake_cluster.h"

namespace vcfs::client {

namespace {

class StorageServer final : public schema::Storage::Server {
 public:
  StorageServer(FakeCluster& cluster, FakeStorage& self) : cluster_(cluster), self_(self) {}

  kj::Promise<void> hello(HelloContext context) override {
    ++self_.hellos;
    if (self_.hanging) return kj::NEVER_DONE;
    auto results = context.getResults();
    results.setStorage(self_.id);
    results.setName("s" + std::to_string(self_.id));
    results.setCluster("test");
    results.setUuid(self_.uuid);
    return kj::READY_NOW;
  }
  kj::Promise<void> ping(PingContext) override {
    if (self_.hanging) return kj::NEVER_DONE;
    if (self_.pongAfter == Duration{}) return kj::READY_NOW;
    auto pair = kj::newPromiseAndFulfiller<void>();
    auto pong = std::make_shared<kj::Own<kj::PromiseFulfiller<void>>>(kj::mv(pair.fulfiller));
    late_ = cluster_.clock.callAt(cluster_.clock.now() + self_.pongAfter, [pong] { (*pong)->fulfill(); });
    return kj::mv(pair.promise);
  }

  kj::Promise<void> write(WriteContext context) override {
    auto params = context.getParams();
    ++self_.writes;
    self_.writeLengths.push_back(params.getData().size());
    self_.writeFirsts.push_back(params.getWriter().getFirst());
    self_.writeFlags.push_back(params.getFlags());
    self_.writtenTimes.push_back(params.getWriter().getWrittenNs());
    if (self_.refuse != Errc::ok && self_.refusals > 0) {
      --self_.refusals;
      schema::fill(context.getResults().initStatus(), Error(self_.refuse, "as told by the test"));
      return kj::READY_NOW;
    }
    if (!admit(params, context)) return kj::READY_NOW;
    std::uint64_t offset = params.getOffset();
    const std::string data = schema::toString(params.getData());
    const auto flags = params.getFlags();
    const std::int64_t mtime = mtimeOf(params.getWriter());
    forEachReplica(params.getInode(), [&](FakeReplica& replica) {
      if ((flags & schema::WRITE_FLAG_APPEND) != 0) offset = replica.bytes.size();
      if (!fresh(replica, params.getWriter())) return;
      replica.mtimeNs = mtime;
      if (offset < replica.bytes.size()) ++replica.changeId;
      if (replica.bytes.size() < offset + data.size()) replica.bytes.resize(offset + data.size(), '\0');
      replica.bytes.replace(offset, data.size(), data);
      replica.state = (flags & schema::WRITE_FLAG_CLOSE) != 0 ? FileState::closed : FileState::open;
    });
    if ((flags & schema::WRITE_FLAG_CLOSE) != 0) ++self_.closes, seal(params.getInode());
    if ((flags & schema::WRITE_FLAG_SYNC) != 0) ++self_.syncs;
    context.getResults().setOffset(offset);
    return answer(params.getInode(), context);
  }

  kj::Promise<void> read(ReadContext context) override {
    auto params = context.getParams();
    ++self_.reads;
    self_.readOffsets.push_back(params.getOffset());
    if (self_.refuseReads != Errc::ok) {
      schema::fill(context.getResults().initStatus(), Error(self_.refuseReads, "as told by the test"));
      return kj::READY_NOW;
    }
    if (!known(params, context)) return kj::READY_NOW;
    const FakeReplica& replica = self_.replicas[params.getInode()];
    if (replica.state == FileState::open && !isPrimary(params.getInode())) {
      schema::fill(context.getResults().initStatus(), Error(Errc::notPrimary));
      return kj::READY_NOW;
    }
    if (params.getOffset() < replica.bytes.size()) {
      const std::string part = replica.bytes.substr(params.getOffset(), params.getLength());
      context.getResults().setData(schema::toData(part));
    }
    return answer(params.getInode(), context);
  }

  kj::Promise<void> sync(SyncContext context) override {
    ++self_.syncs;
    if (!admit(context.getParams(), context)) return kj::READY_NOW;
    return answer(context.getParams().getInode(), context);
  }
  kj::Promise<void> truncate(TruncateContext context) override {
    auto params = context.getParams();
    self_.writtenTimes.push_back(params.getWriter().getWrittenNs());
    if (!admit(params, context)) return kj::READY_NOW;
    const std::int64_t mtime = mtimeOf(params.getWriter());
    forEachReplica(params.getInode(), [&](FakeReplica& replica) {
      if (!fresh(replica, params.getWriter())) return;
      replica.mtimeNs = mtime;
      replica.bytes.resize(params.getSize(), '\0');
      ++replica.changeId;
      replica.state = FileState::open;
    });
    return answer(params.getInode(), context);
  }
  kj::Promise<void> open(OpenContext context) override {
    if (self_.refuseOpens != Errc::ok) {
      schema::fill(context.getResults().initStatus(), Error(self_.refuseOpens, "as told by the test"));
      return kj::READY_NOW;
    }
    ++self_.opens;
    if (!admit(context.getParams(), context)) return kj::READY_NOW;
    return answer(context.getParams().getInode(), context);
  }
  kj::Promise<void> close(CloseContext context) override {
    ++self_.closes;
    auto params = context.getParams();
    if (!admit(params, context)) return kj::READY_NOW;
    forEachReplica(params.getInode(), [&](FakeReplica& replica) { replica.state = FileState::closed; });
    seal(params.getInode());
    return answer(params.getInode(), context);
  }
  kj::Promise<void> stat(StatContext context) override {
    ++self_.stats;
    if (!admit(context.getParams(), context)) return kj::READY_NOW;
    return answer(context.getParams().getInode(), context);
  }

 private:
  template <class Params, class Context>
  bool known(Params params, Context& context) {
    if (params.hasLayout()) {
      ++self_.layoutsSeen;
      layouts_[params.getInode()] = params.getEpoch();
    }
    if (!self_.knowsLayouts && layouts_[params.getInode()] != params.getEpoch()) {
      schema::fill(context.getResults().initStatus(), Error(Errc::needLayout));
      return false;
    }
    auto found = cluster_.files.find(params.getInode());
    if (found == cluster_.files.end()) {
      schema::fill(context.getResults().initStatus(), Error(Errc::notFound));
      return false;
    }
    if (params.getEpoch() < found->second.layout.epoch) {
      auto status = context.getResults().initStatus();
      if (self_.tellsLayouts) {
        schema::fill(status, Error(Errc::staleEpoch), found->second.layout);
      } else {
        schema::fill(status, Error(Errc::staleEpoch));
      }
      return false;
    }
    return true;
  }
  bool isPrimary(InodeId inode) {
    const Replica* primary = cluster_.files.at(inode).layout.primary();
    return primary != nullptr && primary->storage == self_.id;
  }
  template <class Params, class Context>
  bool admit(Params params, Context& context) {
    if (!known(params, context)) return false;
    if (isPrimary(params.getInode())) return true;
    schema::fill(context.getResults().initStatus(), Error(Errc::notPrimary));
    return false;
  }
  void forEachReplica(InodeId inode, const std::function<void(FakeReplica&)>& apply) {
    for (const Replica& replica : cluster_.files.at(inode).layout.replicas) {
      if (replica.state == ReplicaState::inSync) apply(cluster_.storage(replica.storage).replicas[inode]);
    }
  }
  static bool fresh(FakeReplica& replica, schema::Writer::Reader writer) {
    auto& executed = replica.executed[writer.getClient()];
    if (writer.getSequence() <= executed) return false;
    executed = writer.getSequence();
    return true;
  }
  std::int64_t mtimeOf(schema::Writer::Reader writer) const {
    const std::int64_t written = writer.getWrittenNs();
    return written == 0 || self_.ownTimes ? cluster_.clock.wallNs() : written;
  }
  void seal(InodeId inode) {
    FakeFile& file = cluster_.files.at(inode);
    file.attr.state = FileState::closed;
    file.attr.size = self_.replicas[inode].bytes.size();
    file.attr.mtimeNs = self_.replicas[inode].mtimeNs;
    file.attr.ctimeNs = std::max(file.attr.ctimeNs, file.attr.mtimeNs);
  }
  template <class Context>
  kj::Promise<void> answer(InodeId inode, Context& context) {
    const FakeReplica& replica = self_.replicas[inode];
    auto info = context.getResults().initInfo();
    info.setSize(replica.bytes.size());
    info.setState(static_cast<schema::FileState>(replica.state == FileState::none ? FileState::open : replica.state));
    info.setEpoch(cluster_.files.at(inode).layout.epoch);
    info.setChangeId(replica.changeId);
    info.setPowerLoss(self_.powerLoss);
    info.setMtimeNs(replica.mtimeNs);
    if (self_.silent || self_.hanging) return kj::NEVER_DONE;
    return kj::READY_NOW;
  }

  FakeCluster& cluster_;
  std::unique_ptr<Clock::Timer> late_;
  FakeStorage& self_;
  std::map<InodeId, Epoch> layouts_;
};

class TrackerServer final : public schema::Tracker::Server {
 public:
  TrackerServer(FakeCluster& cluster, FakeTracker& self, std::shared_ptr<rpc::Connection> connection)
      : cluster_(cluster), self_(self), connection_(connection) {}

  kj::Promise<void> hello(HelloContext context) override {
    if (self_.hanging) return kj::NEVER_DONE;
    auto results = context.getResults();
    results.setCluster("test");
    results.setUuid(self_.uuid);
    results.setTracker(self_.address);
    auto list = results.initTrackers(static_cast<unsigned>(cluster_.trackers.size()));
    for (unsigned i = 0; i < list.size(); ++i) list.set(i, cluster_.trackers[i]->address);
    return kj::READY_NOW;
  }
  kj::Promise<void> ping(PingContext) override {
    if (self_.hanging) return kj::NEVER_DONE;
    return kj::READY_NOW;
  }
  kj::Promise<void> watch(WatchContext context) override {
    self_.watchers.push_back(context.getParams().getWatcher());
    return kj::READY_NOW;
  }
  kj::Promise<void> lookup(LookupContext context) override {
    if (!begin(context)) return kj::READY_NOW;
    const std::string name = schema::toString(context.getParams().getName());
    for (auto& [inode, file] : cluster_.files) {
      if (file.name == name) return give(context, file);
    }
    schema::fill(context.getResults().initStatus(), Error(Errc::notFound));
    return finish();
  }
  kj::Promise<void> resolve(ResolveContext context) override {
    if (!begin(context)) return kj::READY_NOW;
    std::string name = schema::toString(context.getParams().getPath());
    name = name.substr(name.rfind('/') + 1);
    for (auto& [inode, file] : cluster_.files) {
      if (file.name == name) return give(context, file);
    }
    schema::fill(context.getResults().initStatus(), Error(Errc::notFound));
    return finish();
  }
  kj::Promise<void> getAttr(GetAttrContext context) override {
    if (!begin(context)) return kj::READY_NOW;
    auto found = cluster_.files.find(context.getParams().getInode());
    if (found != cluster_.files.end()) return give(context, found->second);
    schema::fill(context.getResults().initStatus(), Error(Errc::notFound));
    return finish();
  }
  kj::Promise<void> create(CreateContext context) override {
    if (!begin(context)) return kj::READY_NOW;
    ++self_.creates;
    auto params = context.getParams();
    const std::pair<std::uint64_t, std::uint64_t> id{params.getRequest().getClient(),
                                                     params.getRequest().getSequence()};
    auto done = cluster_.requests.find(id);
    if (done == cluster_.requests.end()) {
      Entry entry = cluster_.makeFile(schema::toString(params.getName()), "", FileState::open);
      done = cluster_.requests.emplace(id, entry.attr.inode).first;
    }
    context.getResults().setCreated(true);
    return give(context, cluster_.files.at(done->second));
  }
  kj::Promise<void> openForWrite(OpenForWriteContext context) override {
    if (!begin(context)) return kj::READY_NOW;
    ++self_.opensForWrite;
    FakeFile& file = cluster_.files.at(context.getParams().getInode());
    file.attr.state = FileState::open;
    for (auto& storage : cluster_.storages) storage->replicas[file.attr.inode].state = FileState::open;
    return give(context, file);
  }
  kj::Promise<void> unlink(UnlinkContext context) override {
    if (!begin(context)) return kj::READY_NOW;
    const std::string name = schema::toString(context.getParams().getName());
    for (auto& [inode, file] : cluster_.files) {
      if (file.name != name) continue;
      file.name.clear();
      file.attr.nlink = 0;
      return give(context, file);
    }
    schema::fill(context.getResults().initStatus(), Error(Errc::notFound));
    return finish();
  }
  // Of exchanges only.
  kj::Promise<void> rename(RenameContext context) override {
    if (!begin(context)) return kj::READY_NOW;
    auto params = context.getParams();
    FakeFile* from = fileNamed(schema::toString(params.getName()));
    FakeFile* to = fileNamed(schema::toString(params.getNewName()));
    if (from == nullptr || to == nullptr) {
      schema::fill(context.getResults().initStatus(), Error(Errc::notFound));
      return finish();
    }
    std::swap(from->name, to->name);
    schema::fill(context.getResults().initReplaced(), entryOf(*to));
    return give(context, *from);
  }
  kj::Promise<void> setAttr(SetAttrContext context) override {
    if (!begin(context)) return kj::READY_NOW;
    auto params = context.getParams();
    FakeFile& file = cluster_.files.at(params.getInode());
    if ((params.getSet().getMask() & 1) != 0) file.attr.mode = params.getSet().getMode();
    return give(context, file);
  }
  kj::Promise<void> setXattr(SetXattrContext context) override {
    if (!begin(context)) return kj::READY_NOW;
    return finish();
  }
  kj::Promise<void> removeXattr(RemoveXattrContext context) override {
    if (!begin(context)) return kj::READY_NOW;
    return finish();
  }
  kj::Promise<void> syncNames(SyncNamesContext context) override {
    if (begin(context)) ++self_.syncs;
    return finish();
  }
  kj::Promise<void> setLock(SetLockContext context) override {
    if (begin(context)) self_.locks.push_back(schema::toLock(context.getParams().getLock()).type);
    if (!self_.holdLocks) return finish();
    auto pair = kj::newPromiseAndFulfiller<void>();
    self_.heldLocks.push_back(kj::mv(pair.fulfiller));
    return kj::mv(pair.promise);
  }
  kj::Promise<void> pin(PinContext context) override {
    if (!begin(context)) return kj::READY_NOW;
    self_.pins += static_cast<int>(context.getParams().getInodes().size());
    ++self_.pinCalls;
    return finish();
  }
  kj::Promise<void> reportFailure(ReportFailureContext context) override {
    if (!begin(context)) return kj::READY_NOW;
    ++self_.reportCalls;
    auto failed = context.getParams().getFailed();
    auto layouts = context.getResults().initLayouts(failed.size());
    for (unsigned i = 0; i < failed.size(); ++i) {
      ++(failed[i].getUnasked() ? self_.unasked : self_.reports);
      const bool heard = cluster_.storage(failed[i].getStorage()).server != nullptr;
      if (!failed[i].getUnasked() || !heard) {
        cluster_.fail(failed[i].getInode(), failed[i].getEpoch(), failed[i].getStorage());
      }
      schema::fill(layouts[i], cluster_.files.at(failed[i].getInode()).layout);
    }
    return finish();
  }

 private:
  template <class Context>
  bool begin(Context& context) {
    ++self_.calls;
    if (self_.refuse == Errc::ok || self_.refusals == 0) return true;
    --self_.refusals;
    schema::fill(context.getResults().initStatus(), Error(self_.refuse, "as told by the test"));
    return false;
  }
  FakeFile* fileNamed(const std::string& name) {
    for (auto& [inode, file] : cluster_.files) {
      if (file.name == name) return &file;
    }
    return nullptr;
  }
  static Entry entryOf(const FakeFile& file) {
    Entry entry;
    entry.attr = file.attr;
    entry.layout = file.layout;
    return entry;
  }
  template <class Context>
  kj::Promise<void> give(Context& context, const FakeFile& file) {
    schema::fill(context.getResults().initEntry(), entryOf(file));
    return finish();
  }
  kj::Promise<void> finish() {
    if (self_.hanging) return kj::NEVER_DONE;
    if (!self_.loseAnswers) return kj::READY_NOW;
    self_.loseAnswers = false;
    if (auto connection = connection_.lock()) connection->close("as told by the test");
    return kj::NEVER_DONE;
  }

  FakeCluster& cluster_;
  FakeTracker& self_;
  std::weak_ptr<rpc::Connection> connection_;
};

}  // namespace

FakeCluster::FakeCluster(int storageCount, int trackerCount) {
  for (int i = 1; i <= storageCount; ++i) {
    auto storage = std::make_unique<FakeStorage>();
    storage->id = static_cast<StorageId>(i);
    storage->host = "storage" + std::to_string(i);
    storage->address = storage->host + ":21100";
    storages.push_back(std::move(storage));
    startStorage(static_cast<StorageId>(i));
  }
  for (int i = 0; i < trackerCount; ++i) {
    auto tracker = std::make_unique<FakeTracker>();
    tracker->host = "tracker" + std::to_string(i);
    tracker->address = tracker->host + ":21000";
    trackers.push_back(std::move(tracker));
    startTracker(i);
  }
}

FakeCluster::~FakeCluster() {
  for (auto& tracker : trackers) tracker->watchers.clear();
  for (auto& tracker : trackers) tracker->server.reset();
  for (auto& storage : storages) storage->server.reset();
  clock.advance(std::chrono::milliseconds(1));
}

void FakeCluster::startStorage(StorageId id) {
  FakeStorage& s = storage(id);
  transports.push_back(std::make_unique<MemoryTransport>(network, s.host));
  runtimes.push_back(std::make_unique<Runtime>(Runtime{io, clock, *transports.back(), std::mt19937_64(1)}));
  s.server = std::make_unique<rpc::Server>(*runtimes.back(), s.address, [this, &s](std::shared_ptr<rpc::Connection>) {
    return kj::heap<StorageServer>(*this, s);
  });
}

void FakeCluster::startTracker(int index) {
  FakeTracker& t = tracker(index);
  transports.push_back(std::make_unique<MemoryTransport>(network, t.host));
  runtimes.push_back(std::make_unique<Runtime>(Runtime{io, clock, *transports.back(), std::mt19937_64(1)}));
  t.server = std::make_unique<rpc::Server>(*runtimes.back(), t.address,
                                           [this, &t](std::shared_ptr<rpc::Connection> connection) {
                                             return kj::heap<TrackerServer>(*this, t, connection);
                                           });
}

void FakeCluster::killStorage(StorageId id) {
  network.reset(storage(id).host);
  storage(id).server.reset();
}

void FakeCluster::killTracker(int index) {
  tracker(index).watchers.clear();
  network.reset(tracker(index).host);
  tracker(index).server.reset();
}

bool FakeCluster::until(std::function<bool()> done, Duration limit) {
  const TimePoint end = clock.now() + limit;
  clock.advance(Duration(0));
  while (!done()) {
    if (clock.now() >= end) return false;
    if (!clock.advanceToNext(end - clock.now())) clock.advance(std::chrono::milliseconds(1));
  }
  return true;
}

Errc FakeCluster::failure(Task<void> task) {
  try {
    run(std::move(task));
  } catch (const Error& error) {
    return error.code();
  }
  return Errc::ok;
}

ClusterOptions FakeCluster::options() const {
  ClusterOptions options;
  for (const auto& tracker : trackers) options.trackers.push_back(tracker->address);
  return options;
}

std::shared_ptr<Cluster> FakeCluster::connect(ClusterOptions options) {
  if (options.trackers.empty()) options.trackers = {trackers.front()->address};
  return run(Cluster::connect(runtime, options));
}

Entry FakeCluster::makeFile(const std::string& name, const std::string& bytes, FileState state) {
  FakeFile file;
  file.name = name;
  file.attr.inode = nextInode++;
  file.attr.type = FileType::regular;
  file.attr.nlink = 1;
  file.attr.state = state;
  file.attr.size = bytes.size();
  file.attr.epoch = 1;
  file.layout.inode = file.attr.inode;
  file.layout.epoch = 1;
  for (auto& storage : storages) {
    Replica replica;
    replica.storage = storage->id;
    replica.address = storage->address;
    file.layout.replicas.push_back(replica);
    storage->replicas[file.attr.inode].bytes = bytes;
    storage->replicas[file.attr.inode].state = state;
  }
  files[file.attr.inode] = file;
  Entry entry;
  entry.attr = file.attr;
  entry.layout = file.layout;
  return entry;
}

void FakeCluster::fail(InodeId inode, Epoch epoch, StorageId storageId) {
  Layout& layout = files.at(inode).layout;
  if (layout.epoch != epoch) return;
  int others = 0;
  Replica* failed = nullptr;
  for (Replica& replica : layout.replicas) {
    if (replica.storage == storageId)
      failed = &replica;
    else if (replica.state == ReplicaState::inSync)
      ++others;
  }
  if (failed == nullptr || failed->state != ReplicaState::inSync || others == 0) return;
  failed->state = ReplicaState::stale;
  ++layout.epoch;
  files.at(inode).attr.epoch = layout.epoch;
}

void FakeCluster::tell(const Change& change) {
  for (auto& tracker : trackers) {
    for (auto& watcher : tracker->watchers) {
      auto request = watcher.changedRequest();
      auto list = request.initChanges(1);
      list[0].setInode(change.inode);
      list[0].setParent(change.parent);
      list[0].setName(schema::toData(change.name));
      list[0].setUnlinked(change.unlinked);
      list[0].setData(change.data);
      request.send().ignoreResult().detach([](kj::Exception&&) {});
    }
  }
  clock.advance(std::chrono::milliseconds(1));
}

}  // namespace vcfs::client
