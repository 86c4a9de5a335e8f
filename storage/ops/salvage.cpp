// A replica that is behind becomes the best there is, because the servers that had more are gone for good.
#include "common/base/log.h"
#include "storage/ops/calls.h"

namespace vcfs::storage {

using namespace std::chrono_literals;

namespace {
// A tracker that was told something may take that in so much later.
constexpr Duration kHeardLate = 10s;
}  // namespace

// What the primary sends from now on may begin behind what this replica has missed: a gap, until catch-up fills it. It
// is written before the first of these operations is executed. A primary that is there after all when its replica was
// just cut would have it grow again before the catalog goes by what was cut.
void Node::beginsToJoin(File& file) const {
  const bool mayCount = file.cutAt && file.cutIn == file.replica.epoch();
  if (mayCount && runtime.clock.now() - *file.cutAt < kHeardLate) {
    throw Error(Errc::notInSync, "this replica was cut meanwhile");
  }
  file.cutAt.reset();
  if (file.replica.role() == Role::follower || file.meta.partial) return;
  file.meta.partial = true;
  file.metaChanged = file.metaChanged || file.onDisk;
}

namespace {

// Its primary is there after all, or was a moment ago: what it sends counts as taken, and a copy may end any time.
void requireLeftAlone(const Node& node, const File& file) {
  if (file.replica.role() != Role::syncing) return;
  const TimePoint now = node.runtime.clock.now();
  const auto session = file.joinedOver.lock();
  const bool joined = session && now - session->heard < node.options.pingLimit * 2;
  const bool told = file.caughtUpIn == file.replica.epoch() && now - file.caughtUpTold < kHeardLate;
  if (joined || told) throw Error(Errc::unavailable, "it is being written");
}

// What a pass knows of it is not so any more: the next one compares everything.
void endPass(File& file, TimePoint now) {
  ++file.salvages;
  file.live.clear();
  file.liveEnd = 0;
  file.caughtUpIn = 0;
  file.syncsCount = false;
  file.heldSeal.reset();
  file.cutAt = now;
  file.cutIn = file.replica.epoch();
}

// On the pool's thread.
struct CutJob {
  CutJob(const File& file, std::uint64_t to) : disk(file.disk), meta(file.meta), size(to), unstable(meta.unstable) {
    meta.state = FileState::recovered;
    meta.sealedSize = size;
    meta.mtimeNs = file.mtimeNs;
    meta.partial = meta.mayHaveGaps();  // until the catalog goes by it: it may never do so
    meta.unstable = false;
  }

  void run() {
    try {
      // After a failed sync the memory may show bytes that the disk has not got, and calls them clean.
      if (unstable) disk->dropCache();
      if (disk->stat().size != size) disk->truncate(size);
      if (unstable) sync();
      disk->writeMeta(meta);
      sync();
      blocks = disk->stat().blocks;
    } catch (const Error& failure) {
      error = failure;
    }
  }

  std::shared_ptr<ReplicaFile> disk;
  ReplicaMeta meta;
  std::uint64_t size = 0;
  bool unstable = false;
  std::uint64_t blocks = 0;
  bool syncFailed = false;
  std::optional<Error> error;

 private:
  void sync() {
    syncFailed = true;
    disk->sync();
    syncFailed = false;
  }
};

}  // namespace

// The catalog is changed afterwards, so this has to leave a replica that can still be caught up.
Task<void> Node::salvage(FilePtr file, Salvage order) {
  auto self = shared_from_this();
  if (file->removed) throw replicaRemoved();
  if (file->broken) throw *file->broken;
  if (order.layout.epoch < file->replica.epoch()) throw Error(Errc::staleEpoch, "a newer epoch is known");
  if ((file->preexisting && !recovered_) || mayLackFiles()) {
    throw Error(Errc::unavailable, "this server is being checked after its start");
  }
  adopt(file, order.layout);
  kj::Promise<void> idle = localBarrier(*file);
  const Duration limit = options.syncLimit;
  co_await rpc::await<void>(runtime, kj::mv(idle), limit);
  const Role role = file->replica.role();
  const bool behind = role == Role::syncing || role == Role::stale;
  if (!behind || order.layout.epoch != file->replica.epoch()) throw Error(Errc::staleEpoch, "the layout has changed");
  if (!file->onDisk) co_return;
  if (file->localQueued != 0) throw Error(Errc::unavailable, "it is being written");
  requireLeftAlone(*this, *file);
  endPass(*file, runtime.clock.now());
  // Other bytes than the version that is gone had under this time, with the same size perhaps.
  if (file->meta.mayHaveGaps()) file->mtimeNs = std::max(runtime.clock.wallNs(), file->mtimeNs + 1);

  const std::uint64_t size = std::min(file->localEnd, order.atMost);
  if (order.loss != 0) learnPowerLoss(*file, order.loss);
  const ReplicaMeta before = file->meta;
  const std::uint64_t probes = file->probes, executed = file->replicatedOps;
  auto job = std::make_shared<CutJob>(*file, size);
  file->localEnd = size;
  file->metaChanged = false;
  ++file->localQueued;
  auto pending = pools.writes->run([job] { job->run(); });
  co_await std::move(pending);

  const bool changed = file->meta != before || file->probes != probes || file->replicatedOps != executed;
  if (job->error) {
    cutFailed(file, job->syncFailed);
  } else if (changed) {  // what has changed it decides what it is now
    job->error = Error(Errc::unavailable, "it has changed meanwhile");
    file->metaChanged = true;
  } else {
    file->meta = job->meta;
    file->state = job->meta.state;
    file->blocks = job->blocks;
  }
  localFinished(file);
  file->changed.notifyAll();
  if (job->error) throw *job->error;
  log::warn("replica.salvaged", {{"inode", log::hex(file->inode)}, {"epoch", order.layout.epoch}, {"size", size}});
}

// How much of it is left the disk says; what is known of gaps holds, and a restart must not trust it.
void Node::cutFailed(FilePtr file, bool syncFailed) {
  ++counters.diskErrors;
  file->endDoubtful = true;
  file->meta.state = FileState::open;
  file->state = FileState::open;
  if (syncFailed) markUnstable(file);
  persistMeta(file);
}

namespace {

Task<FilePtr> fileOf(NodePtr node, InodeId inode) {
  auto found = std::make_shared<FilePtr>();
  kj::Promise<void> entered = node->enter(inode, [found](FilePtr file) -> kj::Promise<void> {
    *found = std::move(file);
    return kj::READY_NOW;
  });
  const Duration limit = node->options.syncLimit;
  co_await rpc::await<void>(node->runtime, kj::mv(entered), limit);
  co_return std::move(*found);
}

Task<void> salvageOne(NodePtr node, Node::Salvage order, schema::StoredReplica::Builder kept) {
  const InodeId inode = order.layout.inode;
  const Epoch epoch = order.layout.epoch;
  kept.setInode(inode);
  try {
    const FilePtr file = co_await fileOf(node, inode);
    co_await node->salvage(file, std::move(order));
    kept.setEpoch(epoch);
    if (!file->onDisk) co_return;
    kept.setSize(file->localEnd);
    kept.setState(static_cast<schema::FileState>(file->state));
    kept.setMtimeNs(file->mtimeNs);
    kept.setBlocks(file->blocks);
    kept.setMayHaveGaps(file->meta.partial);
  } catch (const Error& error) {
    kept.setEpoch(0);
    log::warn("replica.salvage.failed", {{"inode", log::hex(inode)}, {"reason", error.what()}});
  }
}

Task<void> salvageAll(NodePtr node, Server::SalvageContext context, std::vector<Node::Salvage> orders) {
  auto kept = context.getResults().initKept(static_cast<unsigned>(orders.size()));
  for (unsigned i = 0; i < kept.size(); ++i) {
    schema::StoredReplica::Builder one = kept[i];
    co_await salvageOne(node, orders[i], one);
  }
}

std::vector<Node::Salvage> toOrders(schema::Storage::SalvageParams::Reader params) {
  if (params.getFiles().size() > limits::kMaxList) throw Error(Errc::invalid, "salvage: at most 1000 per call");
  std::vector<Node::Salvage> orders;
  for (auto file : params.getFiles()) {
    auto layout = file.getLayout();
    limits::checkFile(layout.getInode(), layout.getEpoch());
    Node::Salvage order;
    order.layout = limits::toLayout(layout, layout.getInode(), layout.getEpoch());
    order.atMost = file.getAtMost();
    order.loss = params.getLoss();
    orders.push_back(std::move(order));
  }
  return orders;
}

}  // namespace

kj::Promise<void> opSalvage(NodePtr node, Server::SalvageContext context) {
  std::vector<Node::Salvage> orders;
  try {
    orders = toOrders(context.getParams());
  } catch (const Error& error) {
    refuse(context, error);
    return kj::READY_NOW;
  }
  return rpc::serve(node->runtime, salvageAll(node, context, std::move(orders)));
}

}  // namespace vcfs::storage
