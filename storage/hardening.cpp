// Sealed files are brought onto stable storage and leave the list of active ones.
#include "common/base/log.h"
#include "storage/node.h"

namespace vcfs::storage {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kFew = 16;  // are synced one by one, which takes some milliseconds each

}  // namespace

Task<void> Node::hardenSealed() {
  auto self = shared_from_this();
  const Duration pause = 1s;
  co_await this->pause(pause);
  if (stopping_) co_return;  // a process that is killed syncs nothing more either: simulated ones must not
  auto syncList = [self] { self->store.syncActiveList(); };
  auto synced = pools.syncs->run(std::move(syncList));
  try {
    co_await std::move(synced);
  } catch (const Error& error) {
    log::error("active.sync.failed", {{"reason", error.what()}});
  }
  if (++hardenRounds_ % 3 != 0) co_return;
  std::vector<InodeId> alone;
  std::vector<InodeId> together;
  for (InodeId inode : hardening_) {
    (unsure_.contains(inode) ? alone : together).push_back(inode);
  }
  // Recorders' syncs come in between.
  for (std::size_t i = 0; i < alone.size() && !stopping_; i += kFew) {
    const auto begin = alone.begin() + static_cast<std::ptrdiff_t>(i);
    std::vector<InodeId> few(begin, begin + static_cast<std::ptrdiff_t>(std::min(kFew, alone.size() - i)));
    co_await hardenBatch(std::move(few));
  }
  co_await hardenBatch(std::move(together));
}

Task<void> Node::hardenBatch(std::vector<InodeId> batch) {
  auto self = shared_from_this();
  std::erase_if(batch, [this](InodeId inode) {
    FilePtr file = find(inode);
    return !hardening_.contains(inode) || (file && (file->busy() || reports_.isUrgent(inode)));
  });
  if (batch.empty()) co_return;
  for (InodeId inode : batch) hardening_.erase(inode);
  auto outcome = std::make_shared<Hardened>();
  std::function<void()> job = [self, batch, outcome] { *outcome = self->harden(batch); };
  std::function<void()> noted = [self, batch, outcome] { self->hardened(batch, *outcome); };
  co_await syncInOrder(std::move(job), std::move(noted));
}

Task<void> Node::syncInOrder(std::function<void()> job, std::function<void()> noted) {
  struct Round {
    explicit Round(asio::io_context& io) : finished(io) {}
    Signal finished;
    bool done = false;
  };
  auto round = std::make_shared<Round>(runtime.io);
  auto last = [round, noted = std::move(noted)] {
    const auto leave = kj::defer([&round] {
      round->done = true;
      round->finished.notifyAll();
    });
    noted();
  };
  pools.syncs->submit(std::move(job), std::move(last));
  while (!round->done) co_await round->finished.wait();
}

void Node::hardened(const std::vector<InodeId>& inodes, const Hardened& outcome) {
  if (outcome.doubtful) {  // once more, one by one
    unsure_.insert(outcome.doubtful->begin(), outcome.doubtful->end());
    for (InodeId inode : inodes) {
      FilePtr file = find(inode);
      if (!file || file->sealed()) hardening_.insert(inode);
    }
    return;
  }
  std::vector<InodeId> stable;
  for (InodeId inode : inodes) {
    unsure_.erase(inode);
    const auto failed = outcome.failures.find(inode);
    if (failed == outcome.failures.end()) {
      FilePtr file = find(inode);
      const bool sealedAgain = hardening_.contains(inode) || reports_.waits(inode);  // maybe behind the sync
      const bool writtenAgain = sealedAgain || (file && (!file->sealed() || file->busy()));
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

// On the pool's thread. Few files one by one, many by one sync of the filesystem. The kernel tells of a failure of that
// once, and of no file by name: for all that were active then, also those that are still being written, only a file's
// own sync says whether it is safe.
Node::Hardened Node::harden(const std::vector<InodeId>& inodes) {
  Hardened outcome;
  if (inodes.size() > kFew) {
    try {
      store.syncAll();
    } catch (const std::exception& error) {
      log::error("disk.sync.failed", {{"reason", error.what()}});
      outcome.doubtful = store.activeFiles();
      outcome.doubtful->insert(outcome.doubtful->end(), inodes.begin(), inodes.end());
    }
    return outcome;
  }
  for (InodeId inode : inodes) {
    try {
      store.file(inode)->sync();
    } catch (const Error& error) {
      if (error.code() != Errc::notFound) outcome.failures.emplace(inode, error);
    } catch (const std::exception& error) {
      outcome.failures.emplace(inode, Error(Errc::internal, error.what()));
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
