#include "cluster_fixture.h"

#include <capnp/any.h>

#include <cstring>

namespace vcfs::storage {

namespace {

// One of its pointers goes beyond the message's end: reading it throws.
void garble(capnp::AnyStruct::Builder results, std::size_t pointer = 0) {
  constexpr std::uint64_t kBeyond = (1ULL << 32) | 0x3ffffffc;
  std::memcpy(results.getDataSection().end() + pointer * sizeof kBeyond, &kBeyond, sizeof kBeyond);
}

class TrackerEndpoint final : public schema::Tracker::Server {
 public:
  explicit TrackerEndpoint(FakeTracker& tracker) : tracker_(tracker) {}

  kj::Promise<void> hello(HelloContext context) override {
    context.getResults().setCluster("test");
    return kj::READY_NOW;
  }
  kj::Promise<void> ping(PingContext) override { return kj::READY_NOW; }
  kj::Promise<void> registerStorage(RegisterStorageContext context) override {
    auto p = context.getParams();
    const StorageId id = tracker_.ids.at(schema::toString(p.getName()));
    tracker_.addresses[id] = schema::toString(p.getAddress());
    tracker_.registrations.push_back({p.getPrevious(), p.getEmpty(), p.getChecking(), schema::toString(p.getUuid())});
    context.getResults().setStorage(id);
    context.getResults().setCluster("test");
    context.getResults().setUuid(tracker_.uuid);
    return kj::READY_NOW;
  }
  kj::Promise<void> heartbeat(HeartbeatContext context) override {
    ++tracker_.heartbeats;
    const auto p = context.getParams();
    if (p.getChecking()) {
      tracker_.checking.insert(p.getStorage());
    } else {
      tracker_.checking.erase(p.getStorage());
    }
    if (tracker_.garbles) garble(context.getResults());
    return kj::READY_NOW;
  }
  kj::Promise<void> reportFailure(ReportFailureContext context) override {
    auto failed = context.getParams().getFailed();
    if (tracker_.garblesReports) return garble(context.getResults(), *tracker_.garblesReports), kj::READY_NOW;
    auto layouts = context.getResults().initLayouts(failed.size());
    for (unsigned i = 0; i < failed.size(); ++i) {
      ++tracker_.failuresReported;
      schema::fill(layouts[i], tracker_.lose(failed[i].getInode(), failed[i].getEpoch(), failed[i].getStorage()));
    }
    return kj::READY_NOW;
  }
  kj::Promise<void> reportFiles(ReportFilesContext context) override {
    ++tracker_.reports;
    if (tracker_.garblesReports) return garble(context.getResults(), *tracker_.garblesReports), kj::READY_NOW;
    std::vector<Layout> newer;
    for (auto report : context.getParams().getFiles()) {
      auto found = tracker_.files.find(report.getInode());
      if (found == tracker_.files.end()) continue;
      FakeTracker::File& file = found->second;
      if (file.layout.epoch > report.getEpoch()) newer.push_back(file.layout);
      if (file.layout.epoch != report.getEpoch()) continue;
      const Replica* primary = file.layout.primary();
      if (primary == nullptr || primary->storage != context.getParams().getStorage()) continue;
      if (file.reportedEpoch == report.getEpoch() && report.getOrder() < file.reportedOrder) continue;
      file.reportedEpoch = report.getEpoch();
      file.reportedOrder = report.getOrder();
      file.size = report.getSize();
      file.state = static_cast<FileState>(report.getState());
    }
    auto results = context.getResults().initNewer(static_cast<unsigned>(newer.size()));
    for (unsigned i = 0; i < newer.size(); ++i) schema::fill(results[i], newer[i]);
    return kj::READY_NOW;
  }
  kj::Promise<void> syncNames(SyncNamesContext context) override {
    if (!tracker_.canSync) return kj::NEVER_DONE;
    ++tracker_.syncs;
    return kj::READY_NOW;
  }
  kj::Promise<void> caughtUp(CaughtUpContext context) override {
    auto p = context.getParams();
    if (!tracker_.hearsCaughtUp) return kj::NEVER_DONE;
    const Layout after = tracker_.caughtUp(p.getInode(), p.getEpoch(), p.getStorage());
    if (!tracker_.answersCaughtUp) return kj::NEVER_DONE;
    schema::fill(context.getResults().initLayout(), after);
    return kj::READY_NOW;
  }
  kj::Promise<void> getAttr(GetAttrContext context) override {
    const auto found = tracker_.files.find(context.getParams().getInode());
    if (tracker_.garbles) return garble(context.getResults()), kj::READY_NOW;
    if (found == tracker_.files.end()) {
      schema::fill(context.getResults().initStatus(), Error(Errc::notFound, "the file is gone"));
    } else {
      schema::fill(context.getResults().initEntry().initLayout(), found->second.layout);
    }
    return kj::READY_NOW;
  }
  kj::Promise<void> replicasHere(ReplicasHereContext context) override {
    auto p = context.getParams();
    std::vector<Layout> found;
    for (const auto& [inode, file] : tracker_.files) {
      for (const Replica& replica : file.layout.replicas) {
        const bool here = replica.storage == p.getStorage() && replica.state == ReplicaState::inSync;
        if (here && inode > p.getAfter()) found.push_back(file.layout);
      }
    }
    auto files = context.getResults().initFiles(static_cast<unsigned>(found.size()));
    for (unsigned i = 0; i < found.size(); ++i) schema::fill(files[i].initLayout(), found[i]);
    return kj::READY_NOW;
  }
  kj::Promise<void> staleReplicas(StaleReplicasContext context) override {
    auto p = context.getParams();
    std::vector<Layout> found;
    for (auto& [inode, file] : tracker_.files) {
      if (inode <= p.getAfter()) continue;
      for (Replica& replica : file.layout.replicas) {
        if (replica.storage != p.getStorage() || replica.state == ReplicaState::inSync) continue;
        if (replica.state == ReplicaState::stale) {
          replica.state = ReplicaState::syncing;
          ++file.layout.epoch;
        }
        found.push_back(file.layout);
      }
    }
    auto layouts = context.getResults().initLayouts(static_cast<unsigned>(found.size()));
    for (unsigned i = 0; i < found.size(); ++i) schema::fill(layouts[i], found[i]);
    return kj::READY_NOW;
  }

 private:
  FakeTracker& tracker_;
};

}  // namespace

namespace {

class SlowPool final : public BlockingPool {
 public:
  SlowPool(asio::io_context& io, Clock& clock, Duration delay) : io_(io), clock_(clock), delay_(delay) {}
  void submit(std::function<void()> job, std::function<void()> done) override {
    state_->jobs.emplace_back(std::move(job), std::move(done));
    asio::co_spawn(io_, later(state_, clock_, delay_), asio::detached);
  }
  std::size_t queued() const override { return state_->jobs.size(); }
  asio::io_context& loop() override { return io_; }

 private:
  struct State {
    std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs;
  };
  static Task<void> later(std::shared_ptr<State> state, Clock& clock, Duration delay) {
    co_await clock.sleep(delay);
    auto next = std::move(state->jobs.front());
    state->jobs.pop_front();
    next.first();
    if (next.second) next.second();
  }

  asio::io_context& io_;
  Clock& clock_;
  Duration delay_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace

Pools slowPools(asio::io_context& io, Clock& clock, Duration delay) {
  return Pools{std::make_unique<SlowPool>(io, clock, delay), std::make_unique<SlowPool>(io, clock, delay),
               std::make_unique<SlowPool>(io, clock, delay), std::make_unique<SlowPool>(io, clock, delay)};
}

void HeldPool::submit(std::function<void()> job, std::function<void()> done) {
  jobs_.emplace_back(std::move(job), std::move(done));
  if (!held_) runNext();
}

void HeldPool::runNext() {
  ASSERT_FALSE(jobs_.empty());
  auto [job, done] = std::move(jobs_.front());
  jobs_.pop_front();
  job();
  asio::post(io_, [done = std::move(done)] {
    if (done) done();
  });
}

void HeldPool::release() {
  held_ = false;
  while (!jobs_.empty()) runNext();
}

Layout FakeTracker::lose(InodeId inode, Epoch epoch, StorageId storage) {
  auto found = files.find(inode);
  if (found == files.end()) return Layout();
  Layout& layout = found->second.layout;
  if (layout.epoch != epoch) return layout;
  const auto inSync = std::count_if(layout.replicas.begin(), layout.replicas.end(),
                                    [](const Replica& r) { return r.state == ReplicaState::inSync; });
  if (!chooses && inSync > 1) return layout;
  for (Replica& replica : layout.replicas) {
    if (replica.storage != storage || replica.state == ReplicaState::stale) continue;
    if (replica.state == ReplicaState::inSync && inSync == 1) return layout;
    const bool wasPrimary = layout.primary()->storage == storage;
    replica.state = ReplicaState::stale;
    ++layout.epoch;
    if (wasPrimary) {
      const StorageId next = layout.primary()->storage;
      std::stable_partition(layout.replicas.begin(), layout.replicas.end(),
                            [next](const Replica& r) { return r.storage == next; });
      for (Replica& other : layout.replicas) {
        if (other.state == ReplicaState::inSync && other.storage != next) other.state = ReplicaState::syncing;
      }
    }
    const bool there = std::any_of(layout.replicas.begin(), layout.replicas.end(),
                                   [this](const Replica& r) { return r.storage == spare; });
    if (spare != 0 && !there) layout.replicas.push_back(Replica{spare, ReplicaState::syncing, addresses[spare]});
    return layout;
  }
  return layout;
}

Layout FakeTracker::caughtUp(InodeId inode, Epoch epoch, StorageId storage) {
  auto found = files.find(inode);
  if (found == files.end()) return Layout();
  Layout& layout = found->second.layout;
  for (Replica& replica : layout.replicas) {
    if (replica.storage != storage || replica.state != ReplicaState::syncing || layout.epoch != epoch) continue;
    replica.state = ReplicaState::inSync;
    ++layout.epoch;
  }
  return layout;
}

ClusterTest::ClusterTest() : io_(1), kj_(io_), clock_(io_), network_(io_, clock_) {
  for (int n = 1; n <= 4; ++n) tracker_.ids["s" + std::to_string(n)] = static_cast<StorageId>(n);
}

ClusterTest::~ClusterTest() {
  for (auto& [key, connection] : connections_) connection->close("end");
  connections_.clear();
  storages_.clear();
  trackerServers_.clear();
  settle(5s);
}

void ClusterTest::poll() {
  io_.restart();
  while (io_.poll() != 0) io_.restart();
}

void ClusterTest::settle(Duration time) {
  poll();
  for (Duration done{}; done < time; done += 1ms) {
    clock_.advance(1ms);
    poll();
  }
}

Host& ClusterTest::host(const std::string& name) {
  auto& slot = hosts_[name];
  if (!slot) slot = std::make_unique<Host>(io_, clock_, network_, name, hosts_.size() + 1);
  return *slot;
}

void ClusterTest::startTracker() { startTracker("t1", tracker_); }

void ClusterTest::startTracker(const std::string& name, FakeTracker& tracker) {
  const std::string address = name + ":21000";
  trackerServers_[address] = std::make_unique<rpc::Server>(
      host(name).runtime, address, [&tracker](std::shared_ptr<rpc::Connection>) -> capnp::Capability::Client {
        return kj::heap<TrackerEndpoint>(tracker);
      });
}

void ClusterTest::startPair() {
  startTracker();
  startStorage(1);
  startStorage(2);
}

HeldPool& ClusterTest::makeHeld(std::unique_ptr<BlockingPool>& pool) {
  auto held = std::make_unique<HeldPool>(io_);
  HeldPool& made = *held;
  pool = std::move(held);
  return made;
}

void ClusterTest::startStorage(int n, std::function<void(Node&)> first, bool reaches) {
  if (!stores_[n]) stores_[n] = std::make_unique<MemoryStore>();
  Options options = options_;
  options.name = "s" + std::to_string(n);
  options.zone = options.name;
  options.listen = options.name + ":21100";
  options.dataDirectory = "/" + options.name;
  options.trackers = {"t1:21000"};
  for (const auto& [address, server] : trackerServers_) {
    if (address != "t1:21000") options.trackers.push_back(address);
  }
  Host& where = host(options.name);
  Pools pools = diskDelay_ > Duration{} ? slowPools(io_, clock_, diskDelay_) : Pools::inlined(io_);
  if (scanDelay_ > Duration{}) pools.scans = slowPools(io_, clock_, scanDelay_).scans;
  storages_[n] = std::make_unique<StorageService>(where.runtime, *stores_[n], std::move(pools), options);
  storages_[n]->start();
  if (first) first(storages_[n]->node());
  EXPECT_TRUE(!reaches || eventually([&] { return storages_[n]->node().self() != 0; }));
  settle(50ms);
}

void ClusterTest::crash(int n) {
  network_.reset("s" + std::to_string(n));
  storages_.erase(n);
  for (auto entry = connections_.begin(); entry != connections_.end();) {
    entry = entry->first.first == n ? connections_.erase(entry) : std::next(entry);
  }
  poll();
}

Layout ClusterTest::layout(Epoch epoch, std::vector<std::pair<int, ReplicaState>> replicas, InodeId inode) {
  Layout result;
  result.inode = inode;
  result.epoch = epoch;
  result.user = "room1";
  result.name = "/room1/meeting.mp4";
  for (auto [n, state] : replicas) {
    result.replicas.push_back(Replica{static_cast<StorageId>(n), state, "s" + std::to_string(n) + ":21100"});
  }
  return result;
}

schema::Storage::Client ClusterTest::to(int n, ClientId client) {
  auto& connection = connections_[{n, client}];
  if (!connection || !connection->alive()) {
    const std::string name = "c" + std::to_string(client);
    Host& from = host(name);
    connection = nullptr;
    bool over = false;
    auto connect = [&]() -> Task<void> {
      try {
        connection = co_await rpc::Connection::connect(from.runtime, "s" + std::to_string(n) + ":21100", 1s);
      } catch (const Error&) {
      }
      over = true;
    };
    asio::co_spawn(io_, connect(), asio::detached);
    EXPECT_TRUE(eventually([&] { return over; }));
    if (!connection) return nullptr;
    auto storage = connection->bootstrap<schema::Storage>();
    auto hello = storage.helloRequest();
    hello.setProtocol(schema::PROTOCOL_VERSION);
    hello.setClient(client);
    hello.setHost(name);
    hello.send().ignoreResult().detach([](kj::Exception&&) {});
  }
  return connection->bootstrap<schema::Storage>();
}

void ClusterTest::dropClient(ClientId client) {
  for (auto entry = connections_.begin(); entry != connections_.end();) {
    if (entry->first.second != client) {
      ++entry;
      continue;
    }
    entry->second->close("its host died");
    entry = connections_.erase(entry);
  }
}

namespace {

template <class Results>
void takeInfo(Results& results, std::uint64_t& size, FileState& state, std::uint32_t& writers) {
  size = results.getInfo().getSize();
  state = static_cast<FileState>(results.getInfo().getState());
  writers = results.getInfo().getWriters();
}

template <class Request>
void address(Request& request, const Layout& layout) {
  request.setInode(layout.inode);
  request.setEpoch(layout.epoch);
  schema::fill(request.initLayout(), layout);
}

template <class Request>
void sign(Request& request, ClientId client, std::uint64_t sequence, WriterTime told = {}) {
  request.getWriter().setClient(client);
  request.getWriter().setSequence(sequence);
  request.getWriter().setWrittenNs(told.writtenNs);
  request.getWriter().setSentNs(told.sentNs);
}

}  // namespace

template <class Response>
ClusterTest::ReplyPtr ClusterTest::watch(kj::Promise<Response> promise) {
  auto reply = std::make_shared<Reply>();
  promise
      .then(
          [reply](Response&& response) {
            reply->answered = true;
            reply->code = static_cast<Errc>(response.getStatus().getCode());
            if (response.getStatus().hasLayout()) reply->newer = schema::toLayout(response.getStatus().getLayout());
            takeInfo(response, reply->size, reply->state, reply->writers);
            reply->mtimeNs = response.getInfo().getMtimeNs();
            reply->powerLoss = response.getInfo().getPowerLoss();
            if constexpr (requires { response.getData(); }) reply->data = schema::toString(response.getData());
            if constexpr (requires { response.getOffset(); }) reply->offset = response.getOffset();
          },
          [reply](kj::Exception&& exception) {
            reply->answered = true;
            reply->code = rpc::fromKj(exception).code();
          })
      .detach([](kj::Exception&&) {});
  return reply;
}

ClusterTest::ReplyPtr ClusterTest::write(int n, Layout layout, std::uint64_t sequence, std::uint64_t offset,
                                         std::string data, std::uint16_t flags, ClientId client) {
  auto request = to(n, client).writeRequest();
  address(request, layout);
  sign(request, client, sequence, told_);
  request.setOffset(offset);
  request.setData(schema::toData(data));
  request.setFlags(flags);
  return watch<capnp::Response<schema::Storage::WriteResults>>(request.send());
}

ClusterTest::ReplyPtr ClusterTest::read(int n, Layout layout, std::uint64_t offset, std::uint32_t length) {
  auto request = to(n).readRequest();
  address(request, layout);
  request.setOffset(offset);
  request.setLength(length);
  return watch<capnp::Response<schema::Storage::ReadResults>>(request.send());
}

ClusterTest::ReplyPtr ClusterTest::sync(int n, Layout layout, std::uint64_t sequence, ClientId client) {
  auto request = to(n, client).syncRequest();
  address(request, layout);
  sign(request, client, sequence);
  return watch<capnp::Response<schema::Storage::SyncResults>>(request.send());
}

ClusterTest::ReplyPtr ClusterTest::truncate(int n, Layout layout, std::uint64_t sequence, std::uint64_t size,
                                            ClientId client) {
  auto request = to(n, client).truncateRequest();
  address(request, layout);
  sign(request, client, sequence, told_);
  request.setSize(size);
  return watch<capnp::Response<schema::Storage::TruncateResults>>(request.send());
}

ClusterTest::ReplyPtr ClusterTest::allocate(int n, Layout layout, std::uint64_t sequence, std::uint64_t offset,
                                            std::uint64_t length) {
  auto request = to(n).allocateRequest();
  address(request, layout);
  sign(request, 7, sequence, told_);
  request.setOffset(offset);
  request.setLength(length);
  return watch<capnp::Response<schema::Storage::AllocateResults>>(request.send());
}

ClusterTest::ReplyPtr ClusterTest::copyWithin(int n, Layout layout, std::uint64_t sequence, std::uint64_t from,
                                              std::uint64_t to, std::uint32_t length) {
  auto request = this->to(n).copyRangeRequest();
  address(request, layout);
  sign(request, 7, sequence, told_);
  schema::fill(request.initSource(), layout);
  request.setSourceOpen(true);
  request.setSourceOffset(from);
  request.setOffset(to);
  request.setLength(length);
  return watch<capnp::Response<schema::Storage::CopyRangeResults>>(request.send());
}

ClusterTest::ReplyPtr ClusterTest::close(int n, Layout layout, std::uint64_t sequence, ClientId client) {
  auto request = to(n, client).closeRequest();
  address(request, layout);
  sign(request, client, sequence);
  return watch<capnp::Response<schema::Storage::CloseResults>>(request.send());
}

ClusterTest::ReplyPtr ClusterTest::open(int n, Layout layout, ClientId client) {
  auto request = to(n, client).openRequest();
  address(request, layout);
  request.setClient(client);
  return watch<capnp::Response<schema::Storage::OpenResults>>(request.send());
}

ClusterTest::ReplyPtr ClusterTest::stat(int n, Layout layout) {
  auto request = to(n).statRequest();
  address(request, layout);
  return watch<capnp::Response<schema::Storage::StatResults>>(request.send());
}

ClusterTest::ReplyPtr ClusterTest::waitGrowth(int n, Layout layout, std::uint64_t known, std::uint32_t timeoutMs) {
  auto request = to(n).waitGrowthRequest();
  address(request, layout);
  request.setKnownSize(known);
  request.setTimeoutMs(timeoutMs);
  return watch<capnp::Response<schema::Storage::WaitGrowthResults>>(request.send());
}

}  // namespace vcfs::storage
