#include "tracker/service/coordinator.h"

#include "common/base/error.h"
#include "common/base/log.h"

namespace vcfs::tracker {

namespace {
constexpr std::uint32_t kTrashBatch = 200;     // inodes per transaction: others get in between
constexpr std::uint32_t kRemoveBatch = 500;    // files per call to a storage server
constexpr std::uint32_t kCompleteBatch = 100;  // files per transaction; twice as many are looked at for them
constexpr std::uint32_t kSealBatch = 200;
constexpr int kMaxBatchesPerRound = 50;
constexpr std::uint32_t kReserveBatch = 200;  // per server
constexpr Duration kSealInterval = std::chrono::seconds(5);
constexpr Duration kForgetInterval = std::chrono::seconds(10);
constexpr Duration kFirstRest = std::chrono::seconds(2);
constexpr Duration kLongestRest = std::chrono::seconds(60);
constexpr Duration kEarlyGrace = std::chrono::seconds(60);  // a mount repeats its pins every 20 s
constexpr Duration kWallSet = std::chrono::seconds(5);
constexpr Duration kEarlyRest = std::chrono::seconds(10);
constexpr Duration kLackingRest = std::chrono::seconds(10);
constexpr Duration kPagePause = std::chrono::milliseconds(1);  // others get in between
// Of hosts that are silent: they may all have been cut off, from trackers that were away or ran on. What others want of
// a dead one's locks they are given long before that.
constexpr Duration kLocksKept = std::chrono::hours(7 * 24);
constexpr Duration kForgetSoon = std::chrono::milliseconds(500);
constexpr Duration kTick = std::chrono::milliseconds(250);
}  // namespace

Coordinator::Coordinator(std::shared_ptr<TrackerCore> core)
    : core_(std::move(core)), evacuation_(*core_), wake_(core_->runtime.io) {}

void Coordinator::start() {
  core_->runtime.spawn("coordinator.lease", keepLease());
  core_->runtime.spawn("coordinator.work", work());
  core_->runtime.spawn("coordinator.clock", watchClock());
}

void Coordinator::stop() {
  stopped_ = true;
  wake_.notifyAll();
}

void Coordinator::nudge() {
  lacking_.notBefore = TimePoint{};
  wake_.notifyAll();
}

bool Coordinator::holdsLease() const { return core_->runtime.clock.now() < heldUntil_; }

ops::Fence Coordinator::fence() const { return ops::Fence{core_->options.address(), core_->lease.term}; }

Task<void> Coordinator::watchClock() {
  auto self = shared_from_this();
  while (!stopped_) {
    const TimePoint now = core_->runtime.clock.now();
    core_->map.tick(now);
    core_->lockGrace.tick(now, core_->runtime.clock.wallNs());
    co_await core_->runtime.clock.sleep(kTick);
  }
}

Task<void> Coordinator::keepLease() {
  auto self = shared_from_this();
  const Duration interval = std::chrono::nanoseconds(core_->options.lease.lengthNs / 4);
  while (!stopped_) {
    try {
      co_await renew();
    } catch (const Error& error) {
      log::warn("coordinator.lease_not_renewed", {{"reason", error.what()}});
      core_->lockGrace.interrupted(core_->runtime.clock.now());  // nor are those of locks, at whichever tracker
    }
    co_await core_->runtime.clock.sleep(interval);
  }
}

Task<void> Coordinator::renew() {
  const TimePoint asked = core_->runtime.clock.now();
  const std::string address = core_->options.address();
  const std::string candidate = core_->peers->firstLive();
  const std::int64_t now = core_->runtime.clock.wallNs();
  const LeaseRules rules = core_->options.lease;
  const SeenLease seen = watch_.seen(asked);
  auto op = [=](SqlTx& tx) { return ops::renewLease(tx, address, candidate, seen, now, rules); };
  const Lease lease = co_await core_->catalog.write(std::move(op));
  watch_.saw(lease, core_->runtime.clock.now());
  const bool had = holdsLease();
  core_->lease = lease;
  if (lease.holder != address) {
    heldUntil_ = TimePoint{};
    co_return;
  }
  // Counted from before the question and shortened, so that it ends here before it ends for others.
  heldUntil_ = asked + std::chrono::nanoseconds(rules.lengthNs - rules.lengthNs / 10);
  if (had) co_return;
  log::info("coordinator.started", {{"term", lease.term}, {"candidate", candidate}});
  nudge();
}

Task<void> Coordinator::work() {
  auto self = shared_from_this();
  while (!stopped_) {
    try {
      if (core_->catalog.shared()) co_await core_->loadStorages();
      co_await evacuation_.noteReturns();
      if (holdsLease()) co_await round();
    } catch (const Error& error) {
      if (error.code() == Errc::notPrimary) heldUntil_ = TimePoint{};
      log::warn("coordinator.interrupted", {{"reason", error.what()}});
    }
    if (!stopped_) co_await wake_.waitFor(core_->runtime.clock, core_->options.coordinatorInterval);
  }
}

Task<void> Coordinator::round() {
  co_await reclaim();
  co_await reclaimEarly();
  removeFromServers();
  co_await completeFiles();
  const ops::Fence guard = fence();
  co_await evacuation_.round(guard);
  const TimePoint now = core_->runtime.clock.now();
  if (now >= nextSeal_) {
    nextSeal_ = now + kSealInterval;
    co_await sealLeftOpen();
  }
  if (now >= nextReserves_) {
    nextReserves_ = now + core_->options.reserveInterval;
    co_await dropReserves();
  }
  if (now >= nextForget_) {
    nextForget_ = now + kForgetInterval;
    co_await forget();
  }
}

Task<void> Coordinator::reclaim() {
  for (int batch = 0; batch < kMaxBatchesPerRound && holdsLease() && !stopped_; ++batch) {
    const ops::Fence guard = fence();
    const std::int64_t now = core_->runtime.clock.wallNs();
    auto op = [guard, now](SqlTx& tx) { return ops::reclaimTrash(tx, guard, now, kTrashBatch); };
    const ops::Reclaimed reclaimed = co_await core_->catalog.write(std::move(op));
    core_->inodes->deleted(reclaimed.inodes);
    if (!reclaimed.more) co_return;
  }
}

// While there was no coordinator, or no tracker at all, nobody could pin what he has open; and when the wall clock was
// set, pins that are alive end by it, and what was deleted just now is old.
bool Coordinator::couldBePinned(TimePoint now) {
  const std::int64_t wallAhead = core_->runtime.clock.wallNs() - now.ns;
  const bool wasSet = Duration(std::abs(wallAhead - earlyWallAhead_)) > kWallSet;
  if (earlyTerm_ != core_->lease.term || wasSet) {
    earlyTerm_ = core_->lease.term;
    earlyWallAhead_ = wallAhead;
    earlyFrom_ = now + kEarlyGrace;
  }
  return now >= earlyFrom_;
}

// Who deletes files because the store is full is to get their room soon, and not after the retention time. A batch for
// each server and round, and none while it still deletes one: the next heartbeats tell whether that was enough.
Task<void> Coordinator::reclaimEarly() {
  const TimePoint now = core_->runtime.clock.now();
  if (!couldBePinned(now)) co_return;
  const std::vector<StorageId> full = core_->map.shortOfRoom(now);
  std::erase_if(early_, [&](const auto& one) { return std::find(full.begin(), full.end(), one.first) == full.end(); });
  for (StorageId storage : full) {
    if (!holdsLease() || stopped_) co_return;
    if (now < early_[storage].notBefore || removing_.contains(storage)) continue;
    try {
      co_await reclaimEarlyOn(storage);
    } catch (const Error& error) {
      early_[storage].notBefore = now + kEarlyRest;
      log::warn("coordinator.early_failed", {{"storage", storage}, {"reason", error.what()}});
    }
  }
}

// One part of the trash; where all of it has nothing, the next search can wait.
Task<void> Coordinator::reclaimEarlyOn(StorageId storage) {
  const ops::Fence guard = fence();
  const std::int64_t now = core_->runtime.clock.wallNs();
  const ops::TrashPlace after = early_[storage].place;
  const ops::TrashRules rules{std::chrono::nanoseconds(core_->options.trashRetention).count()};
  auto find = [=](SqlTx& tx) { return ops::findEarly(tx, storage, after, now, rules, kTrashBatch); };
  const ops::EarlyTrash trash = co_await core_->catalog.read(std::move(find));
  EarlySearch& search = early_[storage];
  search.found = search.found || !trash.inodes.empty();
  search.place = trash.more ? trash.last : ops::TrashPlace();
  if (!trash.more) {
    if (!search.found) search.notBefore = core_->runtime.clock.now() + kEarlyRest;
    search.found = false;
  }
  if (trash.inodes.empty()) co_return;
  auto op = [=, inodes = trash.inodes](SqlTx& tx) { return ops::reclaimEarly(tx, guard, inodes, now); };
  const ops::Reclaimed reclaimed = co_await core_->catalog.write(std::move(op));
  core_->inodes->deleted(reclaimed.inodes);
  if (reclaimed.inodes > 0) {
    log::info("coordinator.reclaimed_early", {{"files", reclaimed.inodes}, {"storage", storage}});
  }
}

std::vector<StorageId> Coordinator::liveServers() const {
  std::vector<StorageId> live;
  for (const auto& [id, server] : core_->map.servers()) {
    if (core_->map.alive(id, core_->runtime.clock.now())) live.push_back(id);
  }
  return live;
}

// At the same time: what is counted as free by now is to be free soon on all of them. Nor is it waited for: a server
// may take half a minute for a few hundred files, and the trash, copies and all else would stand still meanwhile.
void Coordinator::removeFromServers() {
  for (StorageId storage : liveServers()) {
    if (removing_.insert(storage).second) core_->runtime.spawn("coordinator.remove", tryRemoveFrom(storage));
  }
}

Task<void> Coordinator::tryRemoveFrom(StorageId storage) {
  auto self = shared_from_this();
  try {
    co_await removeFrom(storage);
  } catch (const std::exception& error) {
    log::debug("coordinator.remove_failed", {{"storage", storage}, {"reason", error.what()}});
  }
  removing_.erase(storage);
}

Task<void> Coordinator::removeFrom(StorageId storage) {
  bool more = true;
  for (int batch = 0; more && batch < kMaxBatchesPerRound && holdsLease() && !stopped_; ++batch) {
    more = co_await removeBatch(storage);
  }
}

// False: that is all for this round. What a server keeps is asked for again, but behind all else: its disk may refuse
// to delete more files than one call takes.
Task<bool> Coordinator::removeBatch(StorageId storage) {
  const InodeId after = removedUpTo_[storage];
  auto list = [storage, after](SqlTx& tx) { return ops::listRemovals(tx, storage, after, kRemoveBatch); };
  const ops::Fence guard = fence();
  const std::vector<ops::Removal> removals = co_await core_->catalog.read(std::move(list));
  const bool last = removals.size() < kRemoveBatch;
  if (last) removedUpTo_[storage] = 0;
  if (removals.empty()) co_return false;
  // Bytes are not to go before the catalog would tell, after a power cut, that they are not wanted any more.
  co_await core_->catalog.sync();
  // The call may be overtaken by those of a successor, after which the server gets a new replica: that is kept.
  const std::set<InodeId> kept = co_await core_->storages.remove(storage, removals);
  std::vector<InodeId> inodes;
  for (const ops::Removal& removal : removals) {
    if (!kept.contains(removal.inode)) inodes.push_back(removal.inode);
  }
  auto done = [guard, storage, inodes](SqlTx& tx) { return ops::removalsDone(tx, guard, storage, inodes); };
  co_await core_->catalog.write(std::move(done));
  if (!last) removedUpTo_[storage] = removals.back().inode;
  co_return !last && kept.empty();
}

bool Coordinator::resting(InodeId inode) const {
  const auto attempt = attempts_.find(inode);
  return attempt != attempts_.end() && core_->runtime.clock.now() < attempt->second.notBefore;
}

void Coordinator::triedAgain(InodeId inode) {
  Attempt& attempt = attempts_[inode];
  attempt.pause = attempt.pause == Duration::zero() ? kFirstRest : std::min(attempt.pause * 2, kLongestRest);
  attempt.notBefore = core_->runtime.clock.now() + attempt.pause;
}

// Goes on where the last round ended: files of one group that nothing can be done for, for as long as it has no room,
// stand in the way of no others. Of many such it takes several rounds to come round, which nobody needs all the time.
Task<void> Coordinator::completeFiles() {
  const TimePoint now = core_->runtime.clock.now();
  if (now < lacking_.notBefore) co_return;
  std::erase_if(attempts_, [now](const auto& item) { return item.second.notBefore + kLongestRest < now; });
  const bool begins = lacking_.after == 0;
  for (int batch = 0; batch < kMaxBatchesPerRound && holdsLease() && !stopped_; ++batch) {
    co_await completePage();
    if (lacking_.after != 0) continue;
    if (!begins && !lacking_.changed) lacking_.notBefore = now + kLackingRest;
    lacking_.changed = false;
    co_return;
  }
}

Task<void> Coordinator::completePage() {
  const ops::Fence guard = fence();
  const ops::Occasion occasion = core_->occasion(ops::Request());
  auto list = [after = lacking_.after, view = occasion.view](SqlTx& tx) {
    return ops::listLacking(tx, after, kCompleteBatch, view);
  };
  ops::InodePage found = co_await core_->catalog.read(std::move(list));
  std::erase_if(found.inodes, [this](InodeId inode) { return resting(inode); });
  std::vector<Layout> changed;
  if (!found.inodes.empty()) {
    auto op = [=, inodes = found.inodes](SqlTx& tx) { return ops::completeFiles(tx, guard, inodes, occasion); };
    ops::LayoutPage page = co_await core_->catalog.write(std::move(op), Durability::stable);
    for (ops::LayoutChange& change : page.layouts) {
      triedAgain(change.layout.inode);
      changed.push_back(std::move(change.layout));
    }
  } else if (found.more) {
    co_await core_->runtime.clock.sleep(kPagePause);
  }
  lacking_.after = found.more ? found.last : 0;
  lacking_.changed = lacking_.changed || !changed.empty();
  if (changed.empty()) co_return;
  log::info("coordinator.replicas_added", {{"files", changed.size()}});
  co_await core_->announce(std::move(changed), 0, core_->options.callLimit);
}

// A server that comes back is told what becomes of its stale replicas, and nobody asks again about those that are kept
// in reserve. Nor is there anybody to ask when what made them wanted is over otherwise than by a copy: a server need
// not be emptied any more. A page per server and round: nobody waits for it.
Task<void> Coordinator::dropReserves() {
  const std::vector<StorageId> live = liveServers();
  for (StorageId storage : live) {
    if (!holdsLease() || stopped_) co_return;
    try {
      co_await dropReservesOf(storage);
    } catch (const Error& error) {
      log::warn("coordinator.reserves_failed", {{"storage", storage}, {"reason", error.what()}});
    }
  }
}

Task<void> Coordinator::dropReservesOf(StorageId storage) {
  const InodeId after = reserves_[storage];
  auto list = [storage, after](SqlTx& tx) { return ops::listReserves(tx, storage, after, kReserveBatch); };
  const ops::InodePage found = co_await core_->catalog.read(std::move(list));
  reserves_[storage] = found.more ? found.last : 0;
  if (found.inodes.empty()) co_return;
  const ops::Fence guard = fence();
  const ops::Occasion occasion = core_->occasion(ops::Request());
  auto op = [=, inodes = found.inodes](SqlTx& tx) { return ops::dropReserves(tx, guard, inodes, occasion); };
  ops::LayoutPage page = co_await core_->catalog.write(std::move(op), Durability::stable);
  std::vector<Layout> changed;
  for (ops::LayoutChange& change : page.layouts) changed.push_back(std::move(change.layout));
  if (changed.empty()) co_return;
  log::info("coordinator.reserves_dropped", {{"files", changed.size()}, {"storage", storage}});
  std::vector<StorageId> left(1, storage);
  co_await core_->announce(std::move(changed), 0, core_->options.callLimit, std::move(left));
}

Task<void> Coordinator::sealLeftOpen() {
  const std::int64_t before =
      core_->runtime.clock.wallNs() - std::chrono::nanoseconds(core_->options.sealAfter).count();
  std::int64_t after = 0;
  for (int batch = 0; batch < kMaxBatchesPerRound && holdsLease() && !stopped_; ++batch) {
    auto list = [=](SqlTx& tx) { return ops::listOpenFiles(tx, before, after, kSealBatch); };
    std::vector<ops::OpenFile> files = co_await core_->catalog.read(std::move(list));
    if (files.empty()) co_return;
    after = files.back().openedAtNs;
    const bool last = files.size() < kSealBatch;
    for (ops::OpenFile& file : files) {
      try {
        co_await sealOne(std::move(file));
      } catch (const Error& error) {
        if (error.code() == Errc::notPrimary && !holdsLease()) throw;
        log::debug("coordinator.seal_failed", {{"reason", error.what()}});
      }
    }
    if (last) co_return;
  }
}

Task<void> Coordinator::sealOne(ops::OpenFile file) {
  core_->fillAddresses(file.layout);
  const Replica* primary = file.layout.primary();
  if (primary == nullptr || !core_->map.alive(primary->storage, core_->runtime.clock.now())) co_return;
  const StorageLinks::Info info = co_await core_->storages.stat(primary->storage, file.layout);
  const bool sealed = info.state == FileState::closed || info.state == FileState::recovered;
  if (!sealed && info.writers > 0) co_return;
  // Nobody has written a byte yet, but whoever opened it is still there.
  if (!sealed && core_->hasSession(file.opener)) co_return;
  ops::Seal seal;
  seal.inode = file.layout.inode;
  seal.epoch = file.layout.epoch;
  seal.size = info.size;
  seal.mtimeNs = info.mtimeNs;
  seal.blocks = info.blocks;
  seal.state = sealed ? info.state : FileState::recovered;
  seal.openedAtNs = file.openedAtNs;
  const ops::Fence guard = fence();
  const std::int64_t now = core_->runtime.clock.wallNs();
  auto op = [=](SqlTx& tx) { return ops::sealFile(tx, guard, seal, now); };
  const auto changes = co_await core_->catalog.write(std::move(op));
  if (!changes.empty()) log::info("file.sealed", {{"inode", log::hex(seal.inode)}, {"size", seal.size}});
  core_->hub.publish(changes, 0);
}

Task<void> Coordinator::forget() {
  const ops::Fence guard = fence();
  const std::int64_t now = core_->runtime.clock.wallNs();
  ops::ForgetBefore before;
  before.requestsNs = now - std::chrono::nanoseconds(core_->options.requestsKept).count();
  if (!core_->lockGrace.forgives(core_->runtime.clock.now())) before.locksNs = now - Duration(kLocksKept).count();
  auto op = [=, after = forgotten_](SqlTx& tx) { return ops::forgetOld(tx, guard, after, before, now); };
  const ops::Forgotten forgotten = co_await core_->catalog.write(std::move(op));
  forgotten_ = forgotten.last;
  if (forgotten.more) nextForget_ = core_->runtime.clock.now() + kForgetSoon;
}

}  // namespace vcfs::tracker
