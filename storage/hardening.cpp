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
  auto job = [self, batch] { return self->harden(batch); };
  auto pending = pools.syncs->run(std::move(job));
  const HardenFailures failures = co_await std::move(pending);
  hardened(batch, failures);
}

void Node::hardened(const std::vector<InodeId>& inodes, const HardenFailures& failures) {
  std::vector<InodeId> stable;
  for (InodeId inode : inodes) {
    const auto failed =
        std::find_if(failures.begin(), failures.end(), [inode](const auto& one) { return one.first == inode; });
    if (failed == failures.end()) {
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

// Where that fails they are looked at once more after the next start.
void Node::leaveActive(const std::vector<InodeId>& inodes) {
  try {
    store.markStable(inodes);
  } catch (const Error& error) {
    log::error("active.write.failed", {{"reason", error.what()}});
  }
}

}  // namespace vcfs::storage
