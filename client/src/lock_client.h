#pragma once

#include <map>

#include "client/src/core.h"
#include "common/async/signal.h"

namespace vcfs::client {

// Advisory locks of this process: asks a tracker for them, waits for those that others have, and renews the lease that
// they hang on. Files that nobody locks cost nothing here.
//
// Calls of one owner on one file are made one after the other, so that the last one made is what holds; one that waits
// for somebody else's lock lets others through. Waiting ends when the tracker tells that a lock was given up; it asks
// by itself every second, as a push can be lost. Loop thread only.
class LockClient : public std::enable_shared_from_this<LockClient> {
 public:
  explicit LockClient(std::shared_ptr<Core> core) : core_(std::move(core)), released_(core_->runtime.io) {}

  Task<std::optional<FileLock>> get(InodeId inode, FileLock lock);
  Task<void> set(InodeId inode, FileLock lock, bool wait, std::uint64_t ticket);
  // A file was closed: gives up all that the owner has. Returns when that is done, and soon in any case; the rest goes
  // on behind the closer's back, whom errors would be of no use to.
  Task<void> close(InodeId inode, LockKind kind, std::uint64_t owner);
  void cancel(std::uint64_t ticket);
  bool locked(InodeId inode) const;
  bool locked(InodeId inode, LockKind kind, std::uint64_t owner) const;
  void told(InodeId inode);  // a lock of it was given up
  void toldAll();            // something may have been missed
  void stop();

 private:
  struct Key {
    InodeId inode = 0;
    LockKind kind = LockKind::flock;
    std::uint64_t owner = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  // All that an owner has is being given up.
  struct Closing {
    TimePoint since;
    std::uint64_t taken = 0;  // Owner::taken, of what is given up
    bool over = false;
  };
  // One owner of locks of one file. Kept while it may have any, or a call of it is under way.
  struct Owner {
    explicit Owner(asio::io_context& io) : turn(io) {}
    AsyncMutex turn;
    bool holds = false;
    std::uint64_t taken = 0;  // locks it ever got: what was given up before one of them is not given up after it
    unsigned calls = 0;
    std::shared_ptr<Closing> closing;  // the latest; null: none yet
  };
  struct Release {
    std::optional<Error> failure;
    std::uint64_t taken = 0;  // Owner::taken as of then
  };
  struct Waiter {
    Waiter(asio::io_context& io, InodeId i) : inode(i), signal(io) {}
    const InodeId inode;
    Signal signal;
    bool news = false;
    bool cancelled = false;
    bool left = false;      // nobody is there any more for what it gets
    bool answered = false;  // the latest attempt: what came of it
    bool taken = false;
    std::optional<Error> failure;
  };
  class Use;  // of an Owner by a call

  Task<bool> take(Key key, FileLock lock, std::shared_ptr<Waiter> waiter);
  Task<void> giveBack(Key key, FileLock lock);
  Task<bool> takeOrLeave(Key key, FileLock lock, std::shared_ptr<Waiter> waiter);
  Task<void> takeFor(Key key, FileLock lock, std::shared_ptr<Waiter> waiter);
  Task<bool> attempt(InodeId inode, FileLock lock, bool wait);  // false: somebody else's lock is in the way
  Task<void> giveUp(InodeId inode, FileLock lock);
  Task<Release> release(Key key, FileLock lock);
  Task<void> closeBehind(Key key, std::shared_ptr<Closing> closing);
  Task<void> giveUpLater(Key key, FileLock lock, std::uint64_t taken);
  Task<void> waitForReleases(InodeId inode);
  Task<void> forgetWait(InodeId inode, FileLock lock);
  void forgetRead(InodeId inode);
  void needLease();
  Task<void> keepLease();
  bool inUse() const;

  std::shared_ptr<Core> core_;
  std::map<Key, std::shared_ptr<Owner>> owners_;
  std::map<std::uint64_t, std::shared_ptr<Waiter>> waiters_;  // by ticket
  std::map<InodeId, unsigned> releasing_;                     // calls under way that give locks up
  Signal released_;
  Duration lease_ = std::chrono::seconds(10);
  bool renewing_ = false;
  bool stopped_ = false;
};

}  // namespace vcfs::client
