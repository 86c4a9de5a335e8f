#include "storage/node.h"

#include <nlohmann/json.hpp>

#include "common/base/log.h"
#include "common/base/version.h"
#include "common/rpc/call.h"
#include "schema/convert.h"
#include "storage/store/filesystem_info.h"

namespace vcfs::storage {

using namespace std::chrono_literals;

Pools Pools::threads(asio::io_context& io) {
  return Pools{makeThreadPool(io, "disk-write"), makeThreadPool(io, "disk-sync"), makeThreadPool(io, "disk-read")};
}

Pools Pools::inlined(asio::io_context& io) { return Pools{makeInlinePool(io), makeInlinePool(io), makeInlinePool(io)}; }

namespace {
constexpr std::size_t kRemovedRemembered = 100'000;  // about 5 MB
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
      hardenSignal_(rt.io),
      catchUpSignal_(rt.io) {}

Node::~Node() = default;

void Node::start() {
  std::weak_ptr<Node> weak = weak_from_this();
  peers = std::make_unique<Peers>(runtime, options, [weak](const std::string& address) {
    if (auto self = weak.lock()) self->peerLost(address);
  });
  peers->setIdentity(runtime.random() | 1, options.name);

  Trackers::Hooks hooks;
  hooks.heartbeat = [weak]() -> Task<Heartbeat> {
    auto self = weak.lock();
    if (!self) throw Error(Errc::cancelled);
    return self->heartbeat();
  };
  hooks.registered = [weak] {
    if (auto self = weak.lock()) self->catchUpSignal_.notifyAll();
  };
  hooks.identity = [weak](StorageId id, std::string cluster) {
    auto self = weak.lock();
    if (!self) return;
    self->pools.syncs->submit(
        [self, id, cluster] {
          try {
            self->store.setIdentity(id, cluster);
          } catch (const Error& error) {
            log::error("identity.write.failed", {{"reason", error.what()}});
          }
        },
        [] {});
  };
  trackers = std::make_unique<Trackers>(runtime, options, store, std::move(hooks));

  // What was open when the process last ended is not to be trusted before the catalog was asked.
  for (InodeId inode : store.activeFiles()) suspects_.insert(inode);
  recovered_ = false;

  run("storage.tick", tick());
  run("storage.reports", reportLoop());
  run("storage.harden", hardenLoop());
  run("storage.failures", failureLoop());
  run("storage.recover", recover());
  run("storage.stale", staleLoop());
}

void Node::run(const char* what, Task<void> loop) { runtime.spawn(what, counted(std::move(loop))); }

Task<void> Node::counted(Task<void> loop) {
  auto self = shared_from_this();
  ++running_;
  try {
    co_await std::move(loop);
  } catch (const Error& error) {
    if (!stopping_) log::error("task.failed", {{"reason", error.what()}});
  }
  --running_;
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
  co_return now;
}

// ---- files ----------------------------------------------------------------------------------------------------------

FilePtr Node::find(InodeId inode) const {
  auto found = files_.find(inode);
  return found == files_.end() ? nullptr : found->second;
}

kj::Promise<void> Node::enter(InodeId inode, kj::Function<kj::Promise<void>(FilePtr)> then) {
  FilePtr& entry = files_[inode];
  if (!entry) {
    entry = std::make_shared<File>(runtime.io, inode);
    entry->disk = store.file(inode);
    load(entry);
  }
  FilePtr file = entry;
  file->lastUsed = runtime.clock.now();
  if (file->ready) return then(std::move(file));
  auto pair = kj::newPromiseAndFulfiller<kj::Promise<void>>();
  file->line.push_back(
      [file, then = kj::mv(then), fulfiller = kj::mv(pair.fulfiller)]() mutable { fulfiller->fulfill(then(file)); });
  return kj::mv(pair.promise);
}

void Node::load(FilePtr file) {
  const InodeId inode = file->inode;
  if (newest_ && inode > std::max(*newest_, newestMade_)) {
    loaded(file, std::nullopt, std::nullopt);
    return;
  }
  struct Result {
    std::optional<LoadedReplica> replica;
    std::optional<Error> error;
  };
  auto result = std::make_shared<Result>();
  Store* disk = &store;
  pools.writes->submit(
      [result, disk, inode] {
        try {
          result->replica = disk->load(inode);
        } catch (const Error& error) {
          result->error = error;
        }
      },
      [self = shared_from_this(), file, result] { self->loaded(file, result->replica, result->error); });
}

void Node::loaded(FilePtr file, std::optional<LoadedReplica> replica, std::optional<Error> error) {
  file->broken = std::move(error);
  file->meta.inode = file->inode;
  if (replica) {
    file->onDisk = true;
    file->preexisting = true;
    file->meta = replica->meta;
    file->replica.restoreEpoch(replica->meta.epoch);
    file->localEnd = replica->stat.size;
    file->blocks = replica->stat.blocks;
    file->state = replica->meta.state;
    const bool sealed = file->sealed();
    file->mtimeNs = sealed && replica->meta.mtimeNs != 0 ? replica->meta.mtimeNs : replica->stat.mtimeNs;
    // Sealed with bytes missing: the machine went down before they were on the disk.
    const bool shortened = sealed && replica->stat.size != replica->meta.sealedSize;
    if (shortened || replica->meta.unstable) suspects_.insert(file->inode);
    file->acks.setPublished(file->localEnd);
  }
  if (isSuspect(*file)) {
    file->replica.distrust();
    failures_.insert({file->inode, self()});
    failureSignal_.notifyAll();
  }
  // Nobody is let in before everybody who stood in line is.
  while (!file->line.empty()) {
    auto line = std::move(file->line);
    file->line.clear();
    for (auto& next : line) next();
  }
  file->ready = true;
}

// Whether this replica may lack bytes that it acknowledged, or that were acknowledged while it was away.
bool Node::isSuspect(const File& file) const {
  if (!suspects_.contains(file.inode)) return false;
  if (!file.onDisk) return !store.machineStayedUp();  // its creation was lost with the power
  if (file.unstable()) return true;
  if (file.sealed()) return !store.machineStayedUp() || file.localEnd != file.meta.sealedSize;
  return true;
}

void Node::forget(FilePtr file) {
  file->removed = true;
  // The file may live on other servers: a tracker knows.
  stepDown(file, Error(Errc::staleEpoch, "this server has no replica of the file any more"));
  leases_.closeAll(file->inode);
  orphans_.erase(file->inode);
  reports_.erase(file->inode);
  closings_.erase(file->inode);
  hardening_.erase(file->inode);
  suspects_.erase(file->inode);
  file->changed.notifyAll();
  files_.erase(file->inode);
}

void Node::noteRemoved(InodeId inode, Epoch epoch) {
  if (epoch == 0) return;
  if (!removed_.contains(inode)) removedOrder_.push_back(inode);
  removed_[inode] = std::max(removed_[inode], epoch);
  if (removedOrder_.size() <= kRemovedRemembered) return;
  removed_.erase(removedOrder_.front());
  removedOrder_.pop_front();
}

void Node::evict() {
  if (files_.size() <= static_cast<std::size_t>(options.cachedFiles)) return;
  const TimePoint now = runtime.clock.now();
  for (auto entry = files_.begin(); entry != files_.end();) {
    const File& file = *entry->second;
    const bool idle = !file.busy() && file.sealed() && now - file.lastUsed > options.lease * 3 &&
                      !reports_.contains(file.inode) && !hardening_.contains(file.inode) &&
                      leases_.writers(file.inode) == 0;
    entry = idle ? files_.erase(entry) : std::next(entry);
    if (files_.size() <= static_cast<std::size_t>(options.cachedFiles)) return;
  }
}

// ---- admission ------------------------------------------------------------------------------------------------------

void Node::admit(File& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout) {
  if (file.broken) throw *file.broken;
  if (const auto gone = removed_.find(file.inode); gone != removed_.end() && !file.onDisk && epoch <= gone->second) {
    throw Error(Errc::staleEpoch, "this server's replica was removed");
  }
  switch (file.replica.admit(epoch, hasLayout)) {
    case ReplicaFence::Admission::ok:
      return;
    case ReplicaFence::Admission::stale:
      ++counters.refusedStale;
      throw Error(Errc::staleEpoch, fmt::format("epoch {} is over, the file is in {}", epoch, file.replica.epoch()));
    case ReplicaFence::Admission::needLayout:
      throw Error(Errc::needLayout);
    case ReplicaFence::Admission::adopt:
      break;
  }
  adopt(find(file.inode), limits::toLayout(layout, file.inode, epoch));
}

void Node::requirePrimary(File& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout) {
  admit(file, epoch, hasLayout, layout);
  if (self() == 0) throw Error(Errc::unavailable, "this server has not been registered at a tracker yet");
  if ((file.preexisting && !recovered_) || mayLackFiles()) {
    throw Error(Errc::unavailable, "this server is being checked after its start");
  }
  if (file.replica.isPrimary()) return;
  if (file.replica.role() != Role::primary) throw Error(Errc::notPrimary, "another server is the primary");
  if (file.replica.distrusted()) throw Error(Errc::unavailable, "this replica is being checked");
  throw Error(Errc::staleEpoch, "this server is not the primary any more");
}

void Node::requireReadable(File& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout) {
  admit(file, epoch, hasLayout, layout);
  if (self() == 0) throw Error(Errc::unavailable, "this server has not been registered at a tracker yet");
  if ((file.preexisting && !recovered_) || mayLackFiles()) {
    throw Error(Errc::unavailable, "this server is being checked after its start");
  }
  if (!file.replica.servesReads()) throw Error(Errc::notInSync, "this replica is not in sync");
  if (file.replica.role() != Role::primary && !file.sealed()) {
    throw Error(Errc::notPrimary, "the file is open: only its primary knows its size");
  }
}

void Node::admitReplication(File& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout) {
  if (file.broken && !hasLayout) throw *file.broken;
  switch (file.replica.admitReplication(epoch, hasLayout)) {
    case ReplicaFence::Admission::stale:
      ++counters.refusedStale;
      throw Error(Errc::staleEpoch, fmt::format("epoch {} is over, the file is in {}", epoch, file.replica.epoch()));
    case ReplicaFence::Admission::adopt:
      adopt(find(file.inode), limits::toLayout(layout, file.inode, epoch));
      break;
    default:
      break;
  }
  if (file.broken) throw *file.broken;
  if (epoch > file.replica.epoch()) file.replica.raise(epoch);
  if (file.replica.distrusted()) throw Error(Errc::notInSync, "this replica is being checked");
  // It may be one that the power cut took away altogether.
  if (!file.onDisk && mayLackFiles() && file.replica.role() != Role::syncing) {
    throw Error(Errc::notInSync, "this server is being checked after a power cut");
  }
  if (file.replica.knowsLayout()) {
    const Role role = file.replica.role();
    if (role == Role::primary) throw Error(Errc::staleEpoch, "this server is the primary of this epoch");
    if (role != Role::follower && role != Role::syncing) {
      throw Error(Errc::notInSync, "this server's replica takes no writes in this epoch");
    }
  }
}

// ---- writers --------------------------------------------------------------------------------------------------------

void Node::writerSeen(File& file, ClientId client) {
  leases_.open(client, file.inode, runtime.clock.now());
  orphans_.erase(file.inode);
  if (leases_.writers(file.inode) == 1) noteReport(file);
}

void Node::writerRepeats(File& file, ClientId client) {
  if (leases_.holds(client, file.inode)) leases_.open(client, file.inode, runtime.clock.now());
}

bool Node::writerGone(File& file, ClientId client) {
  file.writerClosed = true;
  leases_.close(client, file.inode);
  orphans_.erase(file.inode);
  return leases_.writers(file.inode) == 0;
}

bool Node::othersWrite(const File& file, ClientId client) const {
  return leases_.writers(file.inode) > (leases_.holds(client, file.inode) ? 1u : 0u);
}

void Node::sealLater(File& file) { orphans_[file.inode] = runtime.clock.now(); }

FileState Node::sealState(const File& file) const {
  return file.writerVanished ? FileState::recovered : FileState::closed;
}

Mutation Node::sealMutation(File& file, FileState state) {
  Mutation mutation;
  mutation.kind = Mutation::Kind::seal;
  mutation.sealAs = state;
  mutation.size = file.acks.orderedEnd();
  mutation.mtimeNs = file.mtimeNs;
  return mutation;
}

void Node::touch(File& file, const Mutation& mutation) {
  if (!mutation.changesBytes()) return;
  const bool appends = mutation.kind == Mutation::Kind::write && mutation.offset >= file.localEnd;
  if (!appends) ++file.changeId;
  file.mtimeNs = runtime.clock.wallNs();
  if (mutation.kind == Mutation::Kind::write) {
    // An estimate, until the disk is asked when the file is sealed.
    const auto blocks = [](std::uint64_t bytes) { return (bytes + 4095) / 4096 * 8; };
    const std::uint64_t whole = blocks(mutation.sizeAfter(file.localEnd));
    if (file.blocks < whole) file.blocks = std::min(file.blocks + blocks(mutation.data.size()), whole);
  }
  loadBytes_ += mutation.data.size();
  if (file.replica.role() != Role::syncing) return;
  switch (mutation.kind) {
    case Mutation::Kind::write:
      file.live.add(mutation.offset, mutation.offset + mutation.data.size());
      break;
    case Mutation::Kind::allocate:
      if ((mutation.mode & ~1u) != 0) file.live.add(mutation.offset, mutation.offset + mutation.size);
      break;
    case Mutation::Kind::truncate:
      file.live.add(mutation.size, RangeSet::kEnd);
      break;
    default:
      break;
  }
}

void Node::fillInfo(schema::FileInfo::Builder info, File& file) {
  const bool primary = file.replica.role() == Role::primary;
  info.setSize(file.readableEnd());
  info.setMtimeNs(file.mtimeNs);
  info.setBlocks(file.blocks);
  info.setState(static_cast<schema::FileState>(file.state));
  info.setEpoch(file.replica.epoch());
  info.setWriters(static_cast<std::uint32_t>(leases_.writers(file.inode)));
  info.setChangeId(file.changeId);
  std::uint64_t toGo = file.bytesToGo;
  if (primary) {
    for (const ReplicaSlot& slot : file.slots) {
      if (slot.syncing && (!slot.joined || slot.failed)) ++toGo;  // a lost one has to begin anew
    }
  }
  info.setBytesToGo(toGo);
}

// ---- loops ----------------------------------------------------------------------------------------------------------

Task<void> Node::tick() {
  auto self = shared_from_this();
  while (!stopping_) {
    const Duration pause = 200ms;
    co_await this->pause(pause);
    peers->dropHung();
    const TimePoint now = runtime.clock.now();
    for (const LeaseTable::Lapsed& lapsed : leases_.expire(now)) {
      log::info("writer.vanished", {{"inode", log::hex(lapsed.inode)}, {"client", log::hex(lapsed.client)}});
      FilePtr file = find(lapsed.inode);
      if (!file) continue;
      // Who was not heard of since the take-over closed it before, as long as somebody else finished it.
      if (!lapsed.provisional || (lapsed.last && !file->writerClosed)) file->writerVanished = true;
      if (lapsed.last) sealVanished(file);
    }
    std::vector<InodeId> lapsed;
    for (auto [inode, until] : orphans_) {
      if (until <= now) lapsed.push_back(inode);
    }
    for (InodeId inode : lapsed) {
      orphans_.erase(inode);
      if (FilePtr file = find(inode)) sealVanished(file);
    }
    evict();
  }
}

void Node::sealVanished(FilePtr file) {
  if (!file->replica.isPrimary() || file->sealed() || leases_.writers(file->inode) != 0) return;
  if (file->undecided()) {  // the final size is not known yet
    sealLater(*file);
    return;
  }
  const bool finished = file->writerClosed && !file->writerVanished;
  begin(file, sealMutation(*file, finished ? FileState::closed : FileState::recovered), nullptr);
}

void Node::noteReport(File& file) { reports_.insert(file.inode); }

Task<void> Node::reportLoop() {
  auto self = shared_from_this();
  while (!stopping_) {
    const Duration pause = closings_.empty() ? Duration(options.reportInterval) : Duration(50ms);
    if (closings_.empty() || !trackers->connected()) {
      co_await reportSignal_.waitFor(runtime.clock, pause);
    }
    // What is closed at about the same time is told together: a burst of small files costs few transactions.
    if (!stopping_ && !closings_.empty()) co_await runtime.clock.sleep(options.reportGather);
    if (stopping_) co_return;
    // Sizes of open files each interval, closings as soon as they are there.
    const bool all = runtime.clock.now() - lastSizes_ >= options.reportInterval;
    if (all) lastSizes_ = runtime.clock.now();
    std::vector<InodeId> due;
    collectDue(all ? reports_ : closings_, due);
    if ((due.empty() && resend_.empty()) || !trackers->connected()) continue;
    auto batch = makeReports(std::move(due));
    const std::set<InodeId> resent = resend_;
    addResent(batch);
    bool failed = false;
    for (const SizeReport& report : batch) reporting_.insert(report.inode);
    try {
      co_await reportBatch(std::move(batch));
    } catch (const Error& error) {
      log::debug("reports.failed", {{"reason", error.what()}});
      for (InodeId inode : resent) resend_.insert(inode);
      failed = true;
    }
    reporting_.clear();
    reportDone_.notifyAll();
    const Duration wait = 200ms;
    if (failed) co_await this->pause(wait);
  }
}

kj::Promise<void> Node::reportArrived(InodeId inode) {
  if (!reporting_.contains(inode)) return kj::READY_NOW;
  return rpc::serve(runtime, waitReported(inode));
}

Task<void> Node::waitReported(InodeId inode) {
  auto self = shared_from_this();
  const TimePoint limit = runtime.clock.now() + 2s;
  while (reporting_.contains(inode) && runtime.clock.now() < limit) {
    co_await reportDone_.waitFor(runtime.clock, limit - runtime.clock.now());
  }
}

// One call's worth, beginning behind where the last one ended.
void Node::collectDue(const std::set<InodeId>& from, std::vector<InodeId>& due) {
  auto next = from.upper_bound(reportCursor_);
  for (std::size_t i = 0; i < from.size() && due.size() < 500; ++i) {
    if (next == from.end()) next = from.begin();
    due.push_back(*next++);
  }
  if (!due.empty()) reportCursor_ = due.back();
}

// Files that were sealed before this process started and whose report may not have been heard.
void Node::addResent(std::vector<SizeReport>& reports) {
  while (!resend_.empty() && reports.size() < 1000) {
    const InodeId inode = *resend_.begin();
    resend_.erase(resend_.begin());
    FilePtr file = find(inode);
    if (!file || !file->sealed() || file->replica.distrusted()) continue;
    SizeReport report;
    report.inode = inode;
    report.epoch = file->replica.epoch();
    report.size = file->meta.sealedSize;
    report.mtimeNs = file->mtimeNs;
    report.blocks = file->blocks;
    report.state = file->state;
    reports.push_back(report);
  }
}

std::vector<SizeReport> Node::makeReports(std::vector<InodeId> due) {
  std::vector<SizeReport> reports;
  for (InodeId inode : due) {
    FilePtr file = find(inode);
    const bool wanted = file && file->replica.isPrimary() && (file->sealed() || leases_.writers(inode) != 0);
    if (!wanted) {
      reports_.erase(inode);
      closings_.erase(inode);
      continue;
    }
    SizeReport report;
    report.inode = inode;
    report.epoch = file->replica.epoch();
    report.size = file->acks.published();
    report.mtimeNs = file->mtimeNs;
    report.blocks = file->blocks;
    report.state = file->state;
    reports.push_back(report);
  }
  return reports;
}

Task<void> Node::reportBatch(std::vector<SizeReport> reports) {
  if (reports.empty()) co_return;
  auto self = shared_from_this();
  std::vector<SizeReport> sent = reports;
  co_await trackers->reportFiles(std::move(reports));
  for (const SizeReport& report : sent) {
    FilePtr file = find(report.inode);
    if (report.state == FileState::open) {
      if (file && file->state == FileState::open) closings_.erase(report.inode);
      continue;
    }
    // Reopened, or closed again in a later epoch meanwhile: there is more to tell.
    if (file && (file->state != report.state || file->replica.epoch() != report.epoch)) continue;
    reports_.erase(report.inode);
    closings_.erase(report.inode);
    hardening_.insert(report.inode);
  }
  hardenSignal_.notifyAll();
}

Task<void> Node::hardenLoop() {
  auto self = shared_from_this();
  unsigned round = 0;
  while (!stopping_) {
    const Duration pause = 1s;
    co_await this->pause(pause);
    auto syncList = [self] { self->store.syncActiveList(); };
    auto synced = pools.syncs->run(std::move(syncList));
    try {
      co_await std::move(synced);
    } catch (const Error& error) {
      log::error("active.sync.failed", {{"reason", error.what()}});
    }
    if (++round % 3 != 0) continue;
    std::vector<InodeId> batch;
    for (InodeId inode : hardening_) {
      FilePtr file = find(inode);
      if (file && (file->busy() || closings_.contains(inode))) continue;
      batch.push_back(inode);
    }
    if (batch.empty()) continue;
    for (InodeId inode : batch) hardening_.erase(inode);
    auto job = [self, batch] { return self->harden(batch); };
    auto pending = pools.syncs->run(std::move(job));
    const HardenFailures failures = co_await std::move(pending);
    hardened(batch, failures);
  }
}

void Node::hardened(const std::vector<InodeId>& inodes, const HardenFailures& failures) {
  for (InodeId inode : inodes) {
    const auto failed =
        std::find_if(failures.begin(), failures.end(), [inode](const auto& one) { return one.first == inode; });
    if (failed == failures.end()) {
      markStableIfSealed(inode);
      continue;
    }
    log::error("harden.failed", {{"inode", log::hex(inode)}, {"reason", failed->second.what()}});
    kj::Promise<void> known = enter(inode, [self = shared_from_this(), error = failed->second](FilePtr file) {
      self->hardenFailed(file, error);
      return kj::Promise<void>(kj::READY_NOW);
    });
    known.detach([](kj::Exception&&) {});
  }
}

// On the pool's thread. Few files one by one, many by one sync of the filesystem.
Node::HardenFailures Node::harden(const std::vector<InodeId>& inodes) {
  if (inodes.size() > 16) {
    try {
      store.syncAll();
      return {};
    } catch (const Error& error) {
      log::error("disk.sync.failed", {{"reason", error.what()}});  // whose bytes it was is found out one by one
    }
  }
  HardenFailures failures;
  for (InodeId inode : inodes) {
    try {
      store.file(inode)->sync();
    } catch (const Error& error) {
      if (error.code() != Errc::notFound) failures.emplace_back(inode, error);
    }
  }
  return failures;
}

void Node::markStableIfSealed(InodeId inode) {
  FilePtr file = find(inode);
  if (file && (!file->sealed() || file->busy())) return;  // written again: stays active
  std::vector<InodeId> one{inode};
  store.markStable(one);
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
  std::vector<InodeId> due(reports_.begin(), reports_.end());
  if (due.size() > 1000) due.resize(1000);
  auto reports = makeReports(std::move(due));
  try {
    co_await reportBatch(std::move(reports));
  } catch (const Error&) {
    // They are told after the next start.
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
  hardenSignal_.notifyAll();
  catchUpSignal_.notifyAll();
  if (trackers) trackers->stop();
  if (peers) peers->closeAll();
}

std::string Node::statusJson() {
  nlohmann::json json;
  std::size_t open = 0, primary = 0, syncing = 0, failed = 0;
  std::uint64_t toGo = 0;
  for (const auto& [inode, file] : files_) {
    if (file->state == FileState::open && file->onDisk) ++open;
    if (file->replica.role() == Role::primary) ++primary;
    if (file->replica.role() == Role::syncing) ++syncing;
    toGo += file->bytesToGo;
    for (const ReplicaSlot& slot : file->slots) failed += slot.failed;
  }
  json["version"] = VCFS_VERSION;
  json["clock_ns"] = runtime.clock.wallNs();
  json["name"] = options.name;
  json["storage"] = self();
  json["group"] = options.group;
  json["zone"] = options.zone;
  json["data"] = options.dataDirectory;
  const FilesystemInfo filesystem = filesystemOf(options.dataDirectory);
  json["filesystem"] = filesystem.type;
  json["mount_options"] = filesystem.options;
  json["cluster"] = trackers->cluster();
  json["tracker_connected"] = trackers->connected();
  json["recovered"] = recovered_;
  json["files_in_memory"] = files_.size();
  json["files_open"] = open;
  json["files_primary"] = primary;
  json["files_syncing"] = syncing;
  json["files_unreported"] = closings_.size();
  json["files_unstable"] = hardening_.size();
  json["replicas_being_reported"] = failures_.size();
  json["replicas_failed"] = failed;
  json["bytes_to_go"] = toGo;
  json["peers_connected"] = peers->connected();
  json["writers"] = leases_.clients();
  json["writes"] = counters.writes;
  json["written_bytes"] = counters.writtenBytes;
  json["replicated"] = counters.replicated;
  json["replicated_bytes"] = counters.replicatedBytes;
  json["reads"] = counters.reads;
  json["read_bytes"] = counters.readBytes;
  json["inline_writes"] = counters.inlineWrites;
  json["inline_jobs"] = counters.inlineJobs;
  json["inline_reads"] = counters.inlineReads;
  json["copied"] = counters.copied;
  json["copied_bytes"] = counters.copiedBytes;
  json["repeats"] = counters.repeats;
  json["refused_stale"] = counters.refusedStale;
  json["replicas_lost"] = counters.replicasLost;
  json["sealed_closed"] = counters.sealedClosed;
  json["sealed_recovered"] = counters.sealedRecovered;
  json["caught_up"] = counters.caughtUp;
  json["caught_up_bytes"] = counters.caughtUpBytes;
  json["disk_errors"] = counters.diskErrors;
  json["disk_queue"] = pools.writes->queued();
  return json.dump();
}

}  // namespace vcfs::storage
