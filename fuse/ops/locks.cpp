// Advisory locks: flock(2) and fcntl(2), across hosts.

#include <fcntl.h>

#include "fuse/errno_map.h"
#include "fuse/file_system.h"
#include "fuse/policy/fatal_signal.h"

namespace vcfs::fuse {

namespace {

struct flock toFlock(const FileLock& lock, bool ours) {
  struct flock answer = {};
  answer.l_type = lock.type == LockType::exclusive ? F_WRLCK : F_RDLCK;
  answer.l_whence = SEEK_SET;
  answer.l_start = static_cast<off_t>(lock.start);
  answer.l_len = lock.end == kLockToEnd ? 0 : static_cast<off_t>(lock.end - lock.start + 1);
  answer.l_pid = ours ? static_cast<pid_t>(lock.pid) : 0;  // another host's numbers mean nothing here
  return answer;
}

}  // namespace

Task<void> FileSystem::getlk(RequestPtr request, std::uint64_t node, FileLock lock) {
  auto conflict = co_await cluster_->getLock(inodeOf(node), lock);
  struct flock answer = {};
  answer.l_type = F_UNLCK;
  if (conflict) answer = toFlock(*conflict, conflict->client == cluster_->clientId());
  request->lock(answer);
}

Task<void> FileSystem::setlk(RequestPtr request, std::uint64_t node, std::uint64_t handle, FileLock lock, bool wait) {
  auto id = inodeOf(node);
  auto file = fileAt(handle);
  noteLocker(*file, lock);
  try {
    // What was written under a lock is there for whoever gets it next, on any host.
    // (Through whichever descriptor of this host it was written.)
    if (lock.type != LockType::exclusive) co_await file->file->drain();
    co_await cluster_->setLock(id, lock, wait, request->origin().unique);
    noteLocker(*file, lock);  // a close(2) of that process may have come while it waited
  } catch (const Error& error) {
    request->error(toLockErrno(error.code()));
    co_return;
  }
  if (request->done() || lock.type == LockType::none) co_return;
  // The caller was killed meanwhile, and what it held may have been given up already.
  co_await cluster_->closeLocks(id, lock.kind, lock.owner);
}

// Whose locks go with this handle.
void FileSystem::noteLocker(FileHandle& handle, const FileLock& lock) {
  if (lock.type == LockType::none) return;
  const std::pair<LockKind, std::uint64_t> owner(lock.kind, lock.owner);
  auto& owners = handle.lockOwners;
  if (std::find(owners.begin(), owners.end(), owner) == owners.end()) owners.push_back(owner);
  if (lock.kind != LockKind::range) return;
  handle.inode->rangeLocked = true;
  watchClosing(*handle.inode, lock);
}

// This process closed a descriptor of the file, and its fcntl locks are over, those of all its descriptors. What it
// locks from now on has nothing to do with the handles that others keep. (F_OFD_SETLK's owners close nothing.)
void FileSystem::forgetLocker(const Inode& inode, std::uint64_t owner) {
  if (!inode.rangeLocked) return;
  files_.forEach([&](FileHandle& handle) {
    if (handle.inode.get() == &inode) std::erase(handle.lockOwners, std::pair(LockKind::range, owner));
  });
}

// From now on the kernel tells us of each close(2). Of descriptors that are open already it tells only the last one:
// for those that the process which locks opened itself, that one ends its locks.
void FileSystem::watchClosing(const Inode& inode, const FileLock& lock) {
  rangeLocksUsed_ = true;
  if (inode.unheard == 0) return;
  const std::pair<LockKind, std::uint64_t> owner(lock.kind, lock.owner);
  files_.forEach([&](FileHandle& handle) {
    if (!handle.unheard || handle.inode.get() != &inode) return;
    auto& owners = handle.lockOwners;
    if (std::find(owners.begin(), owners.end(), owner) != owners.end()) return;
    if (isThreadOf(static_cast<pid_t>(handle.opener), static_cast<pid_t>(lock.pid))) owners.push_back(owner);
  });
}

// The last descriptor is gone: flock's lock, those of F_OFD_SETLK, and those of processes that closed it unheard.
Task<void> FileSystem::unlockReleased(std::shared_ptr<FileHandle> handle) {
  auto self = shared_from_this();
  for (const auto& [kind, owner] : handle->lockOwners) {
    if (cluster_->locked(handle->inode->id, kind, owner)) co_await cluster_->closeLocks(handle->inode->id, kind, owner);
  }
}

}  // namespace vcfs::fuse
