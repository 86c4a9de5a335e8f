// The replicas in memory: found on the disk when they are first asked for, forgotten when they rest.
#include "common/base/log.h"
#include "storage/core/planted.h"
#include "storage/node.h"

namespace vcfs::storage {

namespace {

// The disk's own mtime is what is known of a file that was being written when the process ended. The kernel takes it
// from a clock that may be a tick behind; no later change may get an mtime that was told before.
constexpr std::int64_t kDiskTickNs = 10'000'000;
constexpr Duration kRemovalsFailedInterval = std::chrono::minutes(1);

}  // namespace

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
  // Messages are checked as they are read: one that is malformed throws here, in nobody's call. It concerns its sender
  // alone.
  file->line.push_back([file, then = kj::mv(then), fulfiller = kj::mv(pair.fulfiller)]() mutable {
    fulfiller->fulfill(kj::evalNow([&] { return then(file); }));
  });
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
  file->meta.powerLosses = store.powerLosses();
  if (file->removed) replica.reset();  // while it was looked up
  if (replica) {
    file->onDisk = true;
    file->preexisting = true;
    file->meta = replica->meta;
    file->replica.restoreEpoch(replica->meta.epoch);
    file->localEnd = replica->stat.size;
    file->blocks = replica->stat.blocks;
    file->state = replica->meta.state;
    const bool sealed = file->sealed();
    file->mtimeNs = sealed && replica->meta.mtimeNs != 0 ? replica->meta.mtimeNs : replica->stat.mtimeNs + kDiskTickNs;
    // Sealed with bytes missing: the machine went down before they were on the disk.
    const bool shortened = sealed && replica->stat.size != replica->meta.sealedSize;
    // Open, and nobody has looked through all of the disk since the power cut, which would have said so. One that was
    // made since the start is never looked up: it stays in memory as long as it is open.
    const bool doubtful = !sealed && !newest_ && !store.machineStayedUp();
    if (shortened || doubtful || replica->meta.unstable) suspects_.insert(file->inode);
    file->acks.setPublished(file->localEnd);
    // What was written since it was last synced may be gone. Of a file that was opened anew just before that the disk
    // need not show it.
    if (file->meta.powerLosses != store.powerLosses()) learnPowerLoss(*file, ownPowerLoss());
  }
  if (!file->removed && isSuspect(*file)) {
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

// The name of this machine's last loss of power; 0: it had none.
std::uint64_t Node::ownPowerLoss() const {
  const std::uint64_t losses = store.powerLosses();
  return losses == 0 ? 0 : (static_cast<std::uint64_t>(self()) << 32) | losses;
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
  reports_.remove(file->inode);
  hardening_.erase(file->inode);
  suspects_.erase(file->inode);
  unsure_.erase(file->inode);
  file->changed.notifyAll();
  files_.erase(file->inode);
}

void Node::removalsFailed(std::size_t replicas, const std::string& reason) {
  const TimePoint now = runtime.clock.now();
  if (now < nextRemovalsFailed_) return;
  nextRemovalsFailed_ = now + kRemovalsFailedInterval;
  log::error("replica.remove.failed", {{"replicas", replicas}, {"reason", reason}});
}

// What it is can be told from the disk again, and nobody is to be told anything about it.
bool Node::mayForget(const File& file) const {
  if (file.busy() || reports_.waits(file.inode) || hardening_.contains(file.inode)) return false;
  if (leases_.writers(file.inode) != 0 || file.replica.deposed()) return false;
  const auto lost = failures_.lower_bound({file.inode, 0});
  if (lost != failures_.end() && lost->first == file.inode) return false;
  if (file.onDisk) return file.sealed();
  // One that was asked for and is not here. That an epoch is over, or that it was lost with the power, only memory
  // knows then, and who is in sync must.
  if (file.meta.powerLoss != 0) return false;
  const Role role = file.replica.role();
  return file.replica.epoch() <= 1 || (role != Role::primary && role != Role::follower);
}

void Node::evict() {
  if (files_.size() <= static_cast<std::size_t>(options.cachedFiles)) return;
  const TimePoint now = runtime.clock.now();
  for (auto entry = files_.begin(); entry != files_.end();) {
    const File& file = *entry->second;
    const bool held = entry->second.use_count() != 1;  // by an operation under way: there must not be two of one file
    const bool idle = !held && mayForget(file) && now - file.lastUsed > options.lease * 3;
    entry = idle ? files_.erase(entry) : std::next(entry);
    if (files_.size() <= static_cast<std::size_t>(options.cachedFiles)) return;
  }
}

void Node::touch(File& file, const Mutation& mutation) {
  if (!mutation.changesBytes()) return;
  const bool appends = mutation.kind == Mutation::Kind::write && mutation.offset >= file.localEnd;
  if (!appends) ++file.changeId;
  // A follower takes what the primary decided on.
  file.mtimeNs = mutation.mtimeNs != 0 ? mutation.mtimeNs : mtimeAfter(file.mtimeNs, {}, runtime.clock.wallNs());
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
      if (!mutation.data.empty()) file.liveEnd = std::max(file.liveEnd, mutation.offset + mutation.data.size());
      break;
    case Mutation::Kind::allocate:
      ++file.reshaped;
      if ((mutation.mode & ~1u) != 0) file.live.add(mutation.offset, mutation.offset + mutation.size);
      break;
    case Mutation::Kind::truncate:
      ++file.reshaped;
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
  if (!planted(Bug::forgetPowerLoss)) info.setPowerLoss(file.meta.powerLoss);
  std::uint64_t toGo = file.bytesToGo;
  if (primary) {
    for (const ReplicaSlot& slot : file.slots) {
      // A lost one has to begin anew.
      if (slot.syncing && (!slot.joined || slot.failed || file.sealsWithout(slot))) ++toGo;
    }
  }
  info.setBytesToGo(toGo);
}

}  // namespace vcfs::storage
