// Advisory locks of files: flock(2) and fcntl(2).

#include <deque>
#include <set>

#include "common/base/error.h"
#include "tracker/core/lock_table.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kInode{"SELECT inode FROM inodes WHERE inode = ?"};
constexpr Statement kLockInode{"SELECT inode FROM inodes WHERE inode = ? /*lock*/"};
constexpr Statement kTaken{"UPDATE inodes SET locks_taken = locks_taken + 1 WHERE inode = ?"};
constexpr Statement kHeld{
    "SELECT client, owner, start_byte, end_byte, type, pid FROM file_locks WHERE inode = ? AND kind = ? LIMIT ?"};
constexpr Statement kRemove{
    "DELETE FROM file_locks WHERE inode = ? AND kind = ? AND client = ? AND owner = ? AND start_byte = ?"};
constexpr Statement kAdd{
    "INSERT INTO file_locks (inode, kind, client, owner, start_byte, end_byte, type, pid) VALUES (?, ?, ?, ?, ?, ?, ?, "
    "?)"};
constexpr Statement kRemoveOfClient{"DELETE FROM file_locks WHERE inode = ? AND client = ?"};
constexpr Statement kCount{"SELECT COUNT(*) FROM file_locks WHERE client = ?"};
constexpr Statement kClient{"SELECT session, expires FROM lock_clients WHERE client = ?"};
constexpr Statement kSetClient{"REPLACE INTO lock_clients (client, session, expires) VALUES (?, ?, ?)"};
constexpr Statement kWaitsFor{
    "SELECT inode, start_byte, end_byte, type FROM lock_waits WHERE client = ? AND owner = ? AND until_ns >= ?"};
constexpr Statement kWait{
    "REPLACE INTO lock_waits (client, owner, inode, start_byte, end_byte, type, until_ns) VALUES (?, ?, ?, ?, ?, ?, "
    "?)"};
constexpr Statement kForgetWait{"DELETE FROM lock_waits WHERE client = ? AND owner = ? AND inode = ?"};

constexpr std::int64_t kMostPerFile = 10'000;
constexpr std::size_t kMostVisited = 64;  // owners looked at for a circle
// Whoever waits asks again within a second or two.
constexpr std::int64_t kWaitKeptNs = 10'000'000'000;

using Held = std::vector<FileLock>;

Task<Held> heldOn(SqlTx& tx, InodeId inode, LockKind kind) {
  const Rows rows = co_await tx.exec(kHeld, inode, kind, kMostPerFile + 1);
  Held held(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    FileLock& lock = held[i];
    lock.kind = kind;
    lock.client = static_cast<ClientId>(rows.integer(i, 0));
    lock.owner = static_cast<std::uint64_t>(rows.integer(i, 1));
    lock.start = static_cast<std::uint64_t>(rows.integer(i, 2));
    lock.end = static_cast<std::uint64_t>(rows.integer(i, 3));
    lock.type = static_cast<LockType>(rows.integer(i, 4));
    lock.pid = static_cast<std::uint32_t>(rows.integer(i, 5));
  }
  co_return held;
}

struct ClientRow {
  std::uint64_t session = 0;
  std::int64_t expires = 0;
};

Task<std::optional<ClientRow>> findClient(SqlTx& tx, ClientId client) {
  const Rows rows = co_await tx.exec(kClient, client);
  std::optional<ClientRow> found;
  if (rows.empty()) co_return found;
  ClientRow row;
  row.session = static_cast<std::uint64_t>(rows.integer(0, 0));
  row.expires = rows.integer(0, 1);
  found = row;
  co_return found;
}

Task<bool> lapsed(SqlTx& tx, ClientId client, const LockRules& rules) {
  if (rules.forgive) co_return false;
  const auto row = co_await findClient(tx, client);
  co_return !row || row->expires < rules.now;
}

// The first conflict with a client that is alive. What the others held is out of `held` and of the table.
Task<std::optional<FileLock>> liveConflict(SqlTx& tx, InodeId inode, const FileLock& wanted, LockRules rules,
                                           bool takeAway, Held* held) {
  while (true) {
    const auto conflict = conflictOf(*held, wanted);
    if (!conflict) co_return conflict;
    const bool gone = co_await lapsed(tx, conflict->client, rules);
    if (!gone) co_return conflict;
    const ClientId client = conflict->client;
    if (takeAway) co_await tx.exec(kRemoveOfClient, inode, client);
    std::erase_if(*held, [client](const FileLock& lock) { return lock.client == client; });
  }
}

// They count as long as nobody wanted what they had locked.
Task<void> dropLapsed(SqlTx& tx, InodeId inode, LockRules rules, Held* held) {
  std::set<ClientId> clients;
  for (const FileLock& lock : *held) clients.insert(lock.client);
  for (const ClientId client : clients) {
    const bool gone = co_await lapsed(tx, client, rules);
    if (!gone) continue;
    co_await tx.exec(kRemoveOfClient, inode, client);
    std::erase_if(*held, [client](const FileLock& lock) { return lock.client == client; });
  }
}

// Does the holder wait for the one who wants, perhaps by way of others?
Task<bool> wouldDeadlock(SqlTx& tx, const FileLock& wanted, Held blockers, LockRules rules) {
  std::deque<FileLock> line;
  std::set<std::pair<ClientId, std::uint64_t>> seen;
  const auto add = [&](const Held& held, const FileLock& wish) {
    for (const FileLock& lock : held) {
      const bool excludes = conflictOf(Held(1, lock), wish).has_value();
      if (excludes && seen.insert({lock.client, lock.owner}).second) line.push_back(lock);
    }
  };
  add(blockers, wanted);
  while (!line.empty() && seen.size() < kMostVisited) {
    const FileLock holder = line.front();
    line.pop_front();
    if (sameOwner(holder, wanted)) co_return true;
    const Rows waits = co_await tx.exec(kWaitsFor, holder.client, holder.owner, rules.now);
    if (waits.empty()) continue;
    FileLock wish = holder;
    wish.start = static_cast<std::uint64_t>(waits.integer(0, 1));
    wish.end = static_cast<std::uint64_t>(waits.integer(0, 2));
    wish.type = static_cast<LockType>(waits.integer(0, 3));
    const Held held = co_await heldOn(tx, static_cast<InodeId>(waits.integer(0, 0)), LockKind::range);
    add(held, wish);
  }
  co_return false;
}

Task<void> noteClient(SqlTx& tx, const FileLock& lock, std::uint64_t session, LockRules rules) {
  const auto row = co_await findClient(tx, lock.client);
  if (row && row->session > session) throw Error(Errc::invalid, "setLock: a call of an earlier session");
  const bool fresh = row && row->session == session && row->expires > rules.now + rules.leaseNs * 2 / 3;
  if (fresh || (!row && lock.type == LockType::none)) co_return;
  co_await tx.exec(kSetClient, lock.client, session, rules.now + rules.leaseNs);
}

Task<void> store(SqlTx& tx, InodeId inode, const LockEdit& edit) {
  for (const FileLock& lock : edit.remove) {
    co_await tx.exec(kRemove, inode, lock.kind, lock.client, lock.owner, lock.start);
  }
  for (const FileLock& lock : edit.add) {
    co_await tx.exec(kAdd, inode, lock.kind, lock.client, lock.owner, lock.start, lock.end, lock.type, lock.pid);
  }
}

void check(const FileLock& lock) {
  if (lock.client == 0) throw Error(Errc::invalid, "setLock: client 0");
  if (lock.start > lock.end || lock.end > kLockToEnd) throw Error(Errc::invalid, "setLock: no such range");
}

}  // namespace

Task<std::optional<FileLock>> getLock(SqlTx& tx, InodeId inode, FileLock lock, LockRules rules) {
  check(lock);
  const Rows row = co_await tx.exec(kInode, inode);
  if (row.empty()) throw Error(Errc::notFound, "no such inode");
  Held held = co_await heldOn(tx, inode, lock.kind);
  co_return co_await liveConflict(tx, inode, lock, rules, false, &held);
}

Task<LockOutcome> setLock(SqlTx& tx, InodeId inode, FileLock lock, std::uint64_t session, bool wait, LockRules rules) {
  check(lock);
  LockOutcome outcome;
  const Rows row = co_await tx.exec(kLockInode, inode);
  if (row.empty() && lock.type == LockType::none) co_return outcome;  // gone, and its locks with it
  if (row.empty()) throw Error(Errc::notFound, "no such inode");
  co_await noteClient(tx, lock, session, rules);
  Held held = co_await heldOn(tx, inode, lock.kind);
  outcome.conflict = co_await liveConflict(tx, inode, lock, rules, true, &held);
  if (outcome.conflict) {
    // flock(2) gives up the old lock before it asks for the new one.
    if (lock.kind == LockKind::flock) {
      FileLock nothing = lock;
      nothing.type = LockType::none;
      const LockEdit edit = editFor(held, nothing);
      co_await store(tx, inode, edit);
      outcome.gaveUp = edit.gaveUp;
    } else if (wait) {
      outcome.deadlock = co_await wouldDeadlock(tx, lock, held, rules);
      if (outcome.deadlock) {
        co_await tx.exec(kForgetWait, lock.client, lock.owner, inode);
      } else {
        const std::int64_t until = rules.now + kWaitKeptNs;
        co_await tx.exec(kWait, lock.client, lock.owner, inode, lock.start, lock.end, lock.type, until);
      }
    }
    co_return outcome;
  }
  const LockEdit edit = editFor(held, lock);
  const bool more = edit.add.size() > edit.remove.size();
  if (more && held.size() >= kMostPerFile) co_await dropLapsed(tx, inode, rules, &held);
  if (more && held.size() >= kMostPerFile) throw Error(Errc::noSpace, "a file has at most 10000 locks");
  // Of two that take a lock at two nodes of the database at once, one has not seen the other's.
  if (lock.type != LockType::none && tx.elsewhere()) tx.later(kTaken, inode);
  co_await store(tx, inode, edit);
  if (wait && lock.kind == LockKind::range) co_await tx.exec(kForgetWait, lock.client, lock.owner, inode);
  outcome.gaveUp = edit.gaveUp;
  co_return outcome;
}

Task<std::uint64_t> renewLocks(SqlTx& tx, ClientId client, std::uint64_t session, LockRules rules) {
  const auto row = co_await findClient(tx, client);
  if (!row) throw Error(Errc::notFound, "this client has no locks");
  if (row->session > session) throw Error(Errc::invalid, "renewLocks: a call of an earlier session");
  co_await tx.exec(kSetClient, client, session, rules.now + rules.leaseNs);
  const Rows count = co_await tx.exec(kCount, client);
  co_return static_cast<std::uint64_t>(count.integer(0, 0));
}

Task<bool> cancelLock(SqlTx& tx, InodeId inode, FileLock lock) {
  co_await tx.exec(kForgetWait, lock.client, lock.owner, inode);
  co_return true;
}

}  // namespace vcfs::tracker::ops
