// Sealed files are brought onto stable storage and leave the list of active ones.
#include "common/base/log.h"
#include "storage/node.h"

namespace vcfs::storage {

using namespace std::chrono_literals;

Task<void> Node::hardenSealed() {
  auto self = shared_from_this();
  const Duration pause = 1s;
  co_await this->pause(pause);
  auto syncList = [self] { self->store.syncActiveList(); };
  auto synced = pools.syncs->run(std::move(syncList));
  try {
    co_await std::move(synced);
  } catch (const Error& error) {
    log::error("active.sync.failed", {{"reason", error.what()}});
  }
  if (++hardenRounds_ % 3 != 0) co_return;
  std::vector<InodeId> batch;
  for (InodeId inode : hardening_) {
    FilePtr file = find(inode);
    if (file && (file->busy() || reports_.isUrgent(inode))) continue;
    batch.push_back(inode);
  }
  if (batch.empty()) co_return;
  for (InodeId inode : batch) hardening_.erase(inode);
  struct Round {
    explicit Round(asio::io_context& io) : finished(io) {}
    Signal finished;
    bool done = false;
    Hardened outcome;
  };
  auto round = std::make_shared<Round>(runtime.io);
  auto job = [self, batch, together = !diskSyncFailed_, round] { round->outcome = self->harden(batch, together); };
  // Known before a live sync that stood behind it is answered.
  auto noted = [self, batch, round] {
    self->hardened(batch, round->outcome);
    round->done = true;
    round->finished.notifyAll();
  };
  pools.syncs->submit(std::move(job), std::move(noted));
  while (!round->done) co_await round->finished.wait();
}

void Node::hardened(const std::vector<InodeId>& inodes, const Hardened& outcome) {
  diskSyncFailed_ = diskSyncFailed_ || outcome.diskSyncFailed;
  std::vector<InodeId> stable;
  for (InodeId inode : inodes) {
    const auto failed = outcome.failures.find(inode);
    if (failed == outcome.failures.end()) {
      FilePtr file = find(inode);
      const bool writtenAgain = file && (!file->sealed() || file->busy());
      if (!writtenAgain) stable.push_back(inode);
      continue;
    }
    log::error("harden.failed", {{"inode", log::hex(inode)}, {"reason", failed->second.what()}});
    kj::Promise<void> known = enter(inode, [self = shared_from_this(), error = failed->second](FilePtr file) {
      self->hardenFailed(file, error);
      return kj::Promise<void>(kj::READY_NOW);
    });
    known.detach([](kj::Exception&&) {});
  }
  if (!stable.empty()) leaveActive(stable);
}

// On the pool's thread. Few files one by one, many (`together`) by one sync of the filesystem. The kernel tells of a
// failure of that once, and it may have been about a file that is still being written: from then on only a file's own
// sync says whether it is safe.
Node::Hardened Node::harden(const std::vector<InodeId>& inodes, bool together) {
  Hardened outcome;
  if (together && inodes.size() > 16) {
    try {
      store.syncAll();
      return outcome;
    } catch (const Error& error) {
      log::error("disk.sync.failed", {{"reason", error.what()}});
      outcome.diskSyncFailed = true;
    }
  }
  for (InodeId inode : inodes) {
    try {
      store.file(inode)->sync();
    } catch (const Error& error) {
      if (error.code() != Errc::notFound) outcome.failures.emplace(inode, error);
    }
  }
  return outcome;
}

// Where that fails they are looked at once more after the next start.
void Node::leaveActive(const std::vector<InodeId>& inodes) {
  try {
    store.markStable(inodes);
  } catch (const Error& error) {
    log::error("active.write.failed", {{"reason", error.what()}});
  }
}

}  // namespace vcfs::storage
