#include "common/base/error.h"
#include "schema/convert.h"
#include "tracker/service/handlers.h"

// Advisory locks of files.
namespace vcfs::tracker {

namespace {

ops::LockRules rulesOf(TrackerCore& core) {
  const TimePoint now = core.runtime.clock.now();
  ops::LockRules rules;
  rules.now = core.runtime.clock.wallNs();
  rules.leaseNs = std::chrono::nanoseconds(core.options.lockLease).count();
  core.lockGrace.heard(now);
  core.lockGrace.tick(now, rules.now);
  rules.forgive = core.lockGrace.forgives(now);
  return rules;
}

// While the catalog is away no lease can be renewed, so none ends for a while after it.
template <class Operation>
auto runOnLocks(TrackerCore& core, Operation operation) -> decltype(core.catalog.write(std::move(operation))) {
  std::optional<Error> failure;
  try {
    co_return co_await core.catalog.write(std::move(operation));
  } catch (const Error& error) {
    failure = error;
  }
  if (remedyOf(failure->code()) == Remedy::retry) core.lockGrace.interrupted(core.runtime.clock.now());
  throw *failure;
}

std::vector<Change> tellLocks(InodeId inode) {
  std::vector<Change> changes(1);
  changes[0].inode = inode;
  changes[0].locks = true;
  return changes;
}

}  // namespace

Task<void> Handlers::getLock(GetLockContext context) {
  auto p = context.getParams();
  const InodeId inode = p.getInode();
  const FileLock lock = schema::toLock(p.getLock());
  const ops::LockRules rules = rulesOf(*core_);
  auto op = [inode, lock, rules](SqlTx& tx) { return ops::getLock(tx, inode, lock, rules); };
  const auto conflict = co_await core_->catalog.read(std::move(op));
  if (conflict) schema::fill(context.getResults().initConflict(), *conflict);
}

Task<void> Handlers::setLock(SetLockContext context) {
  auto p = context.getParams();
  const InodeId inode = p.getInode();
  const FileLock lock = schema::toLock(p.getLock());
  const std::uint64_t session = p.getSession();
  const bool wait = p.getWait();
  const ops::LockRules rules = rulesOf(*core_);
  // Before the catalog is asked: what is given up after that is told.
  if (wait) core_->hub.expectLocks(session_->id, inode);
  auto op = [=](SqlTx& tx) { return ops::setLock(tx, inode, lock, session, wait, rules); };
  const ops::LockOutcome outcome = co_await runOnLocks(*core_, std::move(op));
  if (outcome.gaveUp) core_->hub.publish(tellLocks(inode), lock.client);
  auto results = context.getResults();
  results.setLeaseMs(static_cast<std::uint32_t>(core_->options.lockLease.count()));
  if (!outcome.conflict) co_return;
  schema::fill(results.initConflict(), *outcome.conflict);
  if (outcome.deadlock) throw Error(Errc::deadlock, "the lock's holder waits for the caller");
  throw Error(Errc::wouldBlock, "somebody else has a lock that excludes it");
}

Task<void> Handlers::renewLocks(RenewLocksContext context) {
  auto p = context.getParams();
  const ClientId client = p.getClient();
  const std::uint64_t session = p.getSession();
  const ops::LockRules rules = rulesOf(*core_);
  auto op = [client, session, rules](SqlTx& tx) { return ops::renewLocks(tx, client, session, rules); };
  const std::uint64_t held = co_await runOnLocks(*core_, std::move(op));
  auto results = context.getResults();
  results.setHeld(held);
  results.setLeaseMs(static_cast<std::uint32_t>(core_->options.lockLease.count()));
}

Task<void> Handlers::cancelLock(CancelLockContext context) {
  auto p = context.getParams();
  const InodeId inode = p.getInode();
  const FileLock lock = schema::toLock(p.getLock());
  auto op = [inode, lock](SqlTx& tx) { return ops::cancelLock(tx, inode, lock); };
  co_await core_->catalog.write(std::move(op));
}

}  // namespace vcfs::tracker
