#include "storage/node.h"

#include "common/base/log.h"

namespace vcfs::storage {

using namespace std::chrono_literals;

Pools Pools::threads(asio::io_context& io) {
  return Pools{makeThreadPool(io, "disk-write"), makeThreadPool(io, "disk-sync"), makeThreadPool(io, "disk-read"),
               makeThreadPool(io, "disk-scan")};
}

Pools Pools::inlined(asio::io_context& io) {
  return Pools{makeInlinePool(io), makeInlinePool(io), makeInlinePool(io), makeInlinePool(io)};
}

Node::Node(Runtime& rt, Store& st, Pools p, Options o)
    : runtime(rt),
      store(st),
      pools(std::move(p)),
      options(std::move(o)),
      leases_(options.lease),
      stopSignal_(rt.io),
      failureSignal_(rt.io),
      reportDone_(rt.io),
      reportSignal_(rt.io),
      catchUpSignal_(rt.io),
      lookedThroughSignal_(rt.io) {}

Node::~Node() = default;

void Node::start() {
  std::weak_ptr<Node> weak = weak_from_this();
  peers = std::make_unique<Peers>(runtime, options, [weak](const std::string& address) {
    if (auto self = weak.lock()) self->peerLost(address);
  });
  peers->setIdentity(runtime.random() | 1, options.name);

  Trackers::Hooks hooks;
  hooks.ready = [weak]() -> Task<void> {
    auto self = weak.lock();
    if (!self) throw Error(Errc::cancelled);
    return self->mayRegister();
  };
  hooks.heartbeat = [weak]() -> Task<Heartbeat> {
    auto self = weak.lock();
    if (!self) throw Error(Errc::cancelled);
    return self->heartbeat();
  };
  hooks.registered = [weak] {
    auto self = weak.lock();
    if (!self) return;
    self->tellClosingsAgain();
    self->catchUpSignal_.notifyAll();
  };
  hooks.identity = [weak](StorageId id, std::string cluster, std::string uuid) -> Task<void> {
    auto self = weak.lock();
    if (!self) throw Error(Errc::cancelled);
    return self->keepIdentity(id, std::move(cluster), std::move(uuid));
  };
  hooks.empty = [weak]() -> Task<bool> {
    auto self = weak.lock();
    if (!self) throw Error(Errc::cancelled);
    return self->diskIsEmpty();
  };
  trackers = std::make_unique<Trackers>(runtime, options, store, std::move(hooks));

  // What was open when the process last ended is not to be trusted before the catalog was asked.
  for (InodeId inode : store.activeFiles()) suspects_.insert(inode);
  unsure_ = suspects_;  // the former process may have met a failure
  lookedThrough_ = false;
  recovered_ = false;

  run("storage.tick", repeat("tick", &Node::tick));
  run("storage.reports", repeat("reports", &Node::report));
  run("storage.settle", repeat("settle", &Node::settleClosings));
  run("storage.harden", repeat("harden", &Node::hardenSealed));
  run("storage.failures", repeat("failures", &Node::reportFailures));
  run("storage.recover", recover());
  run("storage.stale", repeat("stale", &Node::lookForStale));
}

void Node::run(const char* what, Task<void> loop) { runtime.spawn(what, counted(std::move(loop))); }

Task<void> Node::counted(Task<void> loop) {
  auto self = shared_from_this();
  ++running_;
  try {
    co_await std::move(loop);
  } catch (const std::exception& error) {
    if (!stopping_) log::error("task.failed", {{"reason", error.what()}});
  }
  --running_;
}

Task<void> Node::repeat(const char* what, Round round) {
  auto self = shared_from_this();
  while (!stopping_) {
    bool failed = false;
    try {
      Task<void> one = (this->*round)();
      co_await std::move(one);
    } catch (const std::exception& error) {
      failed = true;
      if (!stopping_) log::error("loop.failed", {{"loop", what}, {"reason", error.what()}});
    }
    const Duration moment = 1s;
    if (failed) co_await this->pause(moment);
  }
}

Task<void> Node::pause(Duration duration) {
  if (!stopping_) co_await stopSignal_.waitFor(runtime.clock, duration);
}

Task<Heartbeat> Node::heartbeat() {
  auto self = shared_from_this();
  auto measure = [self] { return self->store.space(); };
  auto pending = pools.reads->run(std::move(measure));
  Heartbeat now;
  now.space = co_await std::move(pending);
  for (const auto& [inode, file] : files_) {
    if (file->state == FileState::open && file->replica.isPrimary() && leases_.writers(inode) != 0) ++now.liveFiles;
    now.bytesToGo += file->bytesToGo;
  }
  now.loadBytesPerSecond = loadBytes_;
  loadBytes_ = 0;
  now.checking = mayLackFiles();
  co_return now;
}

Task<void> Node::keepIdentity(StorageId id, std::string cluster, std::string uuid) {
  auto self = shared_from_this();
  auto write = [self, id, cluster, uuid] { self->store.setIdentity(id, cluster, uuid); };
  auto pending = pools.syncs->run(std::move(write));
  std::string reason;
  try {
    co_await std::move(pending);
  } catch (const Error& error) {
    reason = error.what();
  }
  if (!reason.empty()) throw Error(Errc::unavailable, "the disk does not take which server's it is: " + reason);
}

Task<bool> Node::diskIsEmpty() {
  auto self = shared_from_this();
  struct Found {};
  auto look = [self] {
    try {
      self->store.scan([](InodeId) { throw Found(); });
    } catch (const Found&) {
      return false;
    }
    return true;
  };
  auto pending = pools.scans->run(std::move(look));
  co_return co_await std::move(pending);
}

Task<void> Node::tick() {
  auto self = shared_from_this();
  const Duration pause = 200ms;
  co_await this->pause(pause);
  peers->dropHung();
  sealAbandoned(runtime.clock.now());
  giveUpHandedOver(runtime.clock.now());
  evict();
}

Task<void> Node::stop() {
  auto self = shared_from_this();
  for (int i = 0; i < 20; ++i) {
    const bool busy =
        std::any_of(files_.begin(), files_.end(), [](const auto& f) { return !f.second->pending.empty(); });
    if (!busy) break;
    const Duration moment = 50ms;
    co_await runtime.clock.sleep(moment);
  }
  auto reports = makeReports(reports_.first(1000));
  try {
    co_await reportBatch(std::move(reports));
  } catch (const std::exception& error) {  // also an answer that cannot be decoded
    // They are told after the next start.
    log::debug("reports.failed", {{"reason", error.what()}});
  }
  abandon();
  for (int i = 0; i < 100 && running_ != 0; ++i) {
    const Duration moment = 10ms;
    co_await runtime.clock.sleep(moment);
  }
}

void Node::abandon() {
  stopping_ = true;
  stopSignal_.notifyAll();
  reportSignal_.notifyAll();
  failureSignal_.notifyAll();
  catchUpSignal_.notifyAll();
  lookedThroughSignal_.notifyAll();
  if (trackers) trackers->stop();
  if (peers) peers->closeAll();
}

}  // namespace vcfs::storage
