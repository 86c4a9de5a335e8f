#include "client/src/lock_client.h"

#include "client/src/file_node.h"
#include "client/src/tracker_call.h"
#include "common/base/log.h"

namespace vcfs::client {

namespace {
constexpr std::size_t kMostOwners = 100'000;
constexpr Duration kAskAgain = std::chrono::seconds(1);
constexpr Duration kReleaseWait = std::chrono::seconds(2);

// A release. A catalog that has no room or cannot read just now will have, or can, some day; until then the lease would
// be renewed for a lock that nobody has any more.
bool mayHelpToRepeat(const Error& error) { return remedyOf(error.code()) != Remedy::fixRequest; }
}  // namespace

// Finds or makes the owner, and forgets it when nobody needs it any more.
class LockClient::Use {
 public:
  Use(LockClient& client, Key key) : client_(client), key_(key) {
    auto& slot = client_.owners_[key_];
    if (!slot) slot = std::make_shared<Owner>(client_.core_->runtime.io);
    owner_ = slot;
    ++owner_->calls;
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() {
    if (--owner_->calls == 0 && !owner_->holds) client_.owners_.erase(key_);
  }
  Owner& operator*() { return *owner_; }
  Owner* operator->() { return owner_.get(); }

 private:
  LockClient& client_;
  const Key key_;
  std::shared_ptr<Owner> owner_;
};

bool LockClient::locked(InodeId inode) const {
  auto at = owners_.lower_bound(Key{inode, LockKind::flock, 0});
  return at != owners_.end() && at->first.inode == inode;
}

bool LockClient::locked(InodeId inode, LockKind kind, std::uint64_t owner) const {
  return !owners_.empty() && owners_.contains(Key{inode, kind, owner});
}

bool LockClient::inUse() const { return !stopped_ && !owners_.empty(); }

Task<std::optional<FileLock>> LockClient::get(InodeId inode, FileLock lock) {
  auto self = shared_from_this();
  lock.client = core_->clientId;
  co_await waitForReleases(inode);
  auto fill = [&](auto& request) {
    request.setInode(inode);
    schema::fill(request.initLock(), lock);
  };
  auto answer = co_await ask(*core_, &Tracker::getLockRequest, fill);
  std::optional<FileLock> conflict;
  if (!answer.hasConflict()) co_return conflict;
  conflict = schema::toLock(answer.getConflict());
  if (conflict->type == LockType::none) conflict.reset();
  co_return conflict;
}

Task<void> LockClient::set(InodeId inode, FileLock lock, bool wait, std::uint64_t ticket) {
  auto self = shared_from_this();
  lock.client = core_->clientId;
  if (lock.type == LockType::none) {
    Task<void> work = giveUp(inode, lock);
    co_await std::move(work);
    co_return;
  }
  if (owners_.size() >= kMostOwners) throw Error(Errc::noSpace, "this host has too many locks");
  const Key key{inode, lock.kind, lock.owner};
  Use owner(*this, key);
  std::shared_ptr<Waiter> waiter;
  struct Forget {
    LockClient& client;
    const std::uint64_t ticket;
    const bool wait;
    ~Forget() {
      if (wait) client.waiters_.erase(ticket);
    }
  } forget{*this, ticket, wait};
  if (wait) {
    waiter = std::make_shared<Waiter>(core_->runtime.io, inode);
    waiters_[ticket] = waiter;
    needLease();
  }
  while (true) {
    co_await waitForReleases(inode);
    if (waiter && waiter->cancelled) break;
    Task<bool> work = wait ? takeOrLeave(key, lock, waiter) : take(key, lock, nullptr);
    if (co_await std::move(work)) co_return;
    if (!wait) throw Error(Errc::wouldBlock, "somebody else has a lock that excludes it");
    if (!waiter->news && !waiter->cancelled) co_await waiter->signal.waitFor(core_->runtime.clock, kAskAgain);
    if (waiter->cancelled || stopped_) break;
  }
  if (!waiter->left) core_->runtime.spawn("forget lock wait", forgetWait(inode, lock));
  throw Error(Errc::cancelled, "the wait for a lock was interrupted");
}

// In the owner's turn; `waiter`: of a call that waits, else null. False: somebody else's lock is in the way.
Task<bool> LockClient::take(Key key, FileLock lock, std::shared_ptr<Waiter> waiter) {
  auto self = shared_from_this();
  Use owner(*this, key);
  auto turn = co_await owner->turn.lock();
  if (waiter && waiter->cancelled) co_return false;
  if (waiter) waiter->news = false;
  bool taken = false;
  std::optional<Error> failure;
  try {
    taken = co_await attempt(key.inode, lock, waiter != nullptr);
  } catch (const Error& error) {
    failure = error;
  }
  // It may have been taken although nobody said so: then closing the file gives it up.
  const bool unknown = failure && remedyOf(failure->code()) == Remedy::retry;
  if (taken || unknown) {
    owner->holds = true;
    ++owner->taken;
  }
  if (waiter && waiter->left && owner->holds) {
    lock.type = LockType::none;
    Task<void> work = giveBack(key, lock);
    co_await std::move(work);
    co_return false;
  }
  if (failure) throw *failure;
  if (!taken) co_return false;
  needLease();
  forgetRead(key.inode);
  if (lock.type == LockType::shared) told(key.inode);  // from exclusive to shared: others of this host may come in
  co_return true;
}

// What was taken when its caller had gone, still in the owner's turn: what the owner asks for next is not touched.
Task<void> LockClient::giveBack(Key key, FileLock lock) {
  Use owner(*this, key);
  std::optional<Error> failure;
  try {
    co_await attempt(key.inode, lock, false);
    owner->holds = false;
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) core_->runtime.spawn("give up lock", giveUpLater(key, lock, owner->taken));
  told(key.inode);
}

// For who waits. A signal lets him go at once, also while no tracker answers; what he still gets then is given up.
// Where a process has other ranges of the file, the one that is asked for may overlap them, and giving it up would take
// them away: there the answer is waited for.
Task<bool> LockClient::takeOrLeave(Key key, FileLock lock, std::shared_ptr<Waiter> waiter) {
  Use owner(*this, key);
  waiter->answered = false;
  core_->runtime.spawn("take lock", takeFor(key, lock, waiter));
  while (!waiter->answered) {
    if (waiter->cancelled && (key.kind == LockKind::flock || !owner->holds)) {
      waiter->left = true;
      co_return false;
    }
    co_await waiter->signal.wait();
  }
  if (waiter->failure) throw *waiter->failure;
  co_return waiter->taken;
}

Task<void> LockClient::takeFor(Key key, FileLock lock, std::shared_ptr<Waiter> waiter) {
  auto self = shared_from_this();
  try {
    waiter->taken = co_await take(key, lock, waiter);
  } catch (const std::exception& error) {
    waiter->failure = asError(error);
  }
  waiter->answered = true;
  waiter->signal.notifyAll();
  if (waiter->left && !waiter->taken) co_await forgetWait(key.inode, lock);
}

// What was read ahead may be older than what the lock's last holder wrote.
void LockClient::forgetRead(InodeId inode) {
  auto found = core_->nodes.find(inode);
  auto node = found == core_->nodes.end() ? nullptr : found->second.lock();
  if (!node) return;
  Change change;
  change.inode = inode;
  change.data = true;
  node->changed(change);
}

Task<bool> LockClient::attempt(InodeId inode, FileLock lock, bool wait) {
  auto fill = [&](auto& request) {
    request.setInode(inode);
    request.setSession(core_->trackers->sessions());
    request.setWait(wait);
    schema::fill(request.initLock(), lock);
  };
  try {
    auto answer = co_await ask(*core_, &Tracker::setLockRequest, fill);
    if (answer.getLeaseMs() != 0) lease_ = std::chrono::milliseconds(answer.getLeaseMs());
    co_return true;
  } catch (const Error& error) {
    if (error.code() != Errc::wouldBlock) throw;
  }
  co_return false;
}

Task<void> LockClient::giveUp(InodeId inode, FileLock lock) {
  const Key key{inode, lock.kind, lock.owner};
  if (!locked(inode, lock.kind, lock.owner)) co_return;
  const Release release = co_await this->release(key, lock);
  if (!release.failure) co_return;
  if (mayHelpToRepeat(*release.failure)) {
    core_->runtime.spawn("give up lock", giveUpLater(key, lock, release.taken));
  }
  throw *release.failure;
}

Task<LockClient::Release> LockClient::release(Key key, FileLock lock) {
  Use owner(*this, key);
  ++releasing_[key.inode];
  struct Done {
    LockClient& client;
    InodeId inode;
    ~Done() {
      if (--client.releasing_[inode] == 0) client.releasing_.erase(inode);
      client.released_.notifyAll();
    }
  } done{*this, key.inode};
  Release release;
  {
    auto turn = co_await owner->turn.lock();
    release.taken = owner->taken;
    if (!owner->holds) co_return release;
    try {
      co_await attempt(key.inode, lock, false);
    } catch (const Error& error) {
      release.failure = error;
    }
    const bool whole = lock.start == 0 && lock.end == kLockToEnd;
    if (!release.failure && whole) owner->holds = false;
  }
  told(key.inode);
  co_return release;
}

// Where no tracker answers that takes long, and a process may close many descriptors of the file: all of them together
// wait for it once.
Task<void> LockClient::close(InodeId inode, LockKind kind, std::uint64_t ownerNumber) {
  auto self = shared_from_this();
  const Key key{inode, kind, ownerNumber};
  if (!locked(inode, kind, ownerNumber)) co_return;
  Use owner(*this, key);
  if (!owner->closing || owner->closing->over || owner->closing->taken != owner->taken) {
    owner->closing = std::make_shared<Closing>();
    owner->closing->since = core_->now();
    owner->closing->taken = owner->taken;
    core_->runtime.spawn("close locks", closeBehind(key, owner->closing));
  }
  const auto closing = owner->closing;
  const TimePoint until = closing->since + kReleaseWait;
  while (!closing->over && core_->now() < until) {
    co_await released_.waitFor(core_->runtime.clock, until - core_->now());
  }
}

Task<void> LockClient::closeBehind(Key key, std::shared_ptr<Closing> closing) {
  auto self = shared_from_this();
  Use owner(*this, key);
  FileLock nothing;
  nothing.kind = key.kind;
  nothing.client = core_->clientId;
  nothing.owner = key.owner;
  const Release release = co_await this->release(key, nothing);
  closing->taken = release.taken;
  if (release.failure) {
    log::warn("client.unlock_failed", {{"inode", log::hex(key.inode)}, {"reason", release.failure->what()}});
    if (mayHelpToRepeat(*release.failure)) co_await giveUpLater(key, nothing, release.taken);
  }
  closing->over = true;
  released_.notifyAll();
}

// Nobody waits for it, but others want the lock: until a tracker is there again, or the lease is over. A lock that the
// owner took since is not touched; what is left of the older one then goes when the file is closed.
Task<void> LockClient::giveUpLater(Key key, FileLock lock, std::uint64_t taken) {
  auto self = shared_from_this();
  Use owner(*this, key);
  const TimePoint until = core_->now() + std::chrono::hours(1);
  while (!stopped_ && core_->now() < until) {
    const Duration pause = std::chrono::seconds(1);
    co_await core_->runtime.clock.sleep(pause);
    auto turn = co_await owner->turn.lock();
    if (owner->taken != taken || !owner->holds) co_return;
    try {
      co_await attempt(key.inode, lock, false);
      if (lock.start == 0 && lock.end == kLockToEnd) owner->holds = false;
      co_return;
    } catch (const Error& error) {
      if (!mayHelpToRepeat(error)) co_return;
    }
  }
}

// What was closed here is released behind the closer's back; who asks next must find it so.
Task<void> LockClient::waitForReleases(InodeId inode) {
  const TimePoint until = core_->now() + kReleaseWait;
  while (releasing_.contains(inode) && core_->now() < until) {
    co_await released_.waitFor(core_->runtime.clock, until - core_->now());
  }
}

void LockClient::cancel(std::uint64_t ticket) {
  auto at = waiters_.find(ticket);
  if (at == waiters_.end()) return;
  at->second->cancelled = true;
  at->second->signal.notifyAll();
}

Task<void> LockClient::forgetWait(InodeId inode, FileLock lock) {
  auto self = shared_from_this();
  auto fill = [&](auto& request) {
    request.setInode(inode);
    schema::fill(request.initLock(), lock);
  };
  try {
    const Duration limit = std::chrono::seconds(5);
    co_await askFor(*core_, limit, &Tracker::cancelLockRequest, fill);
  } catch (const Error&) {
    // It is forgotten by itself a few seconds later.
  }
}

void LockClient::told(InodeId inode) {
  for (auto& [ticket, waiter] : waiters_) {
    if (waiter->inode != inode) continue;
    waiter->news = true;
    waiter->signal.notifyAll();
  }
}

void LockClient::toldAll() {
  for (auto& [ticket, waiter] : waiters_) {
    waiter->news = true;
    waiter->signal.notifyAll();
  }
}

void LockClient::stop() {
  stopped_ = true;
  for (auto& [ticket, waiter] : waiters_) {
    waiter->cancelled = true;
    waiter->signal.notifyAll();
  }
}

// ---- the lease

void LockClient::needLease() {
  if (renewing_ || stopped_) return;
  renewing_ = true;
  core_->runtime.spawn("lock lease", keepLease());
}

Task<void> LockClient::keepLease() {
  auto self = shared_from_this();
  while (inUse()) {
    const Duration pause = lease_ / 4;
    co_await core_->runtime.clock.sleep(pause);
    const bool holds = std::any_of(owners_.begin(), owners_.end(), [](const auto& o) { return o.second->holds; });
    if (!inUse() || !holds) continue;
    auto fill = [this](auto& request) {
      request.setClient(core_->clientId);
      request.setSession(core_->trackers->sessions());
    };
    try {
      const Duration limit = lease_ / 2;
      auto answer = co_await askFor(*core_, limit, &Tracker::renewLocksRequest, fill);
      if (answer.getLeaseMs() != 0) lease_ = std::chrono::milliseconds(answer.getLeaseMs());
      if (answer.getHeld() == 0 && holds) log::debug("client.locks.none", {});
    } catch (const std::exception& error) {
      log::warn("client.locks.not_renewed", {{"reason", error.what()}});
    }
  }
  renewing_ = false;
}

}  // namespace vcfs::client
