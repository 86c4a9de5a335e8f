// After a start: what this server may have missed while it was away.
#include "common/base/log.h"
#include "storage/node.h"

namespace vcfs::storage {

using namespace std::chrono_literals;

// Learns the highest id on the disk, so that a new file needs no look at the disk; after a power cut also which files
// are not what they claim to be.
Task<void> Node::scanDisk() {
  auto self = shared_from_this();
  const bool suspicious = !store.machineStayedUp();
  struct Found {
    InodeId newest = 0;
    std::vector<InodeId> suspects;
    std::optional<Error> failure;  // there may be more than was found
  };
  auto job = [self, suspicious] {
    auto found = std::make_shared<Found>();
    const auto look = [&](InodeId inode) {
      if (inode > limits::kMaxInode) return;  // no file of this cluster: fsck tells of it
      found->newest = std::max(found->newest, inode);
      if (!suspicious) return;
      try {
        const auto replica = self->store.load(inode);
        if (!replica) return;
        const bool whole = replica->meta.state != FileState::open && replica->stat.size == replica->meta.sealedSize;
        if (!whole) found->suspects.push_back(inode);
      } catch (const Error&) {
        found->suspects.push_back(inode);
      }
    };
    try {
      self->store.scan(look);
    } catch (const Error& error) {
      found->failure = error;
    }
    return found;
  };
  auto pending = pools.scans->run(std::move(job));
  const std::shared_ptr<Found> found = co_await std::move(pending);
  for (InodeId inode : found->suspects) suspects_.insert(inode);
  if (found->failure) throw *found->failure;
  newest_ = std::max(found->newest, newestMade_);
}

// What could not be listed at once (no descriptor or memory was free, say) is tried again. A directory that cannot be
// read at all does not keep the others' files from being served: without newest_ every file is looked up on the disk,
// and the next process looks through it again.
Task<void> Node::scanDiskFirst() {
  auto self = shared_from_this();
  constexpr int kAttempts = 3;
  for (int i = 1; !stopping_; ++i) {
    try {
      co_await scanDisk();
      co_return;
    } catch (const std::exception& error) {
      log::error("disk.scan.failed", {{"reason", error.what()}});
    }
    if (i == kAttempts) co_return;
    const Duration pause = 1s;
    co_await this->pause(pause);
  }
}

// After a power cut it takes no part before it knows what is left, which can take minutes on a large cold disk: whoever
// is sent to a server that counts as there waits for it. Otherwise all but files that were open is served meanwhile.
Task<void> Node::mayRegister() {
  auto self = shared_from_this();
  while (!store.machineStayedUp() && !lookedThrough_ && !stopping_) co_await lookedThroughSignal_.wait();
}

Task<void> Node::recover() {
  auto self = shared_from_this();
  co_await scanDiskFirst();
  lookedThrough_ = true;
  lookedThroughSignal_.notifyAll();
  while (!trackers->connected() && !stopping_) co_await catchUpSignal_.waitFor(runtime.clock, 100ms);
  // Open files: reported as lost here, so that the catalog decides whether others went on without this server.
  const std::vector<InodeId> suspects(suspects_.begin(), suspects_.end());
  for (InodeId inode : suspects) {
    if (stopping_) co_return;
    const Duration limit = options.syncLimit;
    try {
      kj::Promise<void> looked = enter(inode, [self](FilePtr file) -> kj::Promise<void> {
        self->checkSuspect(file);
        return kj::READY_NOW;
      });
      co_await rpc::await<void>(runtime, kj::mv(looked), limit);
    } catch (const std::exception& error) {
      log::error("recover.failed", {{"inode", log::hex(inode)}, {"reason", error.what()}});
    }
  }
  while (!stopping_) {
    try {
      co_await findMissing();
      co_await takeStale();
      break;
    } catch (const std::exception& error) {
      log::warn("recover.waiting", {{"reason", error.what()}});
    }
    const Duration pause = 200ms;
    co_await this->pause(pause);
  }
  recovered_ = true;
  suspectsSettled();
  log::info("storage.recovered", {{"suspects", suspects.size()}});
}

void Node::checkSuspect(FilePtr file) {
  if (file->replica.distrusted()) return;  // being reported: loaded() saw to it
  const InodeId inode = file->inode;
  const Role role = file->replica.role();
  const bool trusted = role == Role::primary || role == Role::follower || role == Role::unknown;
  // Loaded before the disk was looked through. One made since the start is open, which is no reason for suspicion.
  if (file->preexisting && trusted && isSuspect(*file)) {
    file->replica.distrust();
    failures_.insert({inode, self()});
    failureSignal_.notifyAll();
    return;
  }
  suspects_.erase(inode);
  if (!file->onDisk) {
    leaveActive({inode});
    return;
  }
  // Sealed, and perhaps nobody was told. A tracker ignores it when this server was not the primary.
  reports_.noteResend(inode);
  hardening_.insert(inode);
  reportSignal_.notifyAll();
}

// After a power cut: files that the catalog believes to be here and that are not, since they were made in the last
// second and nothing of them was on the disk.
Task<void> Node::findMissing() {
  auto self = shared_from_this();
  if (store.machineStayedUp()) co_return;
  InodeId after = 0;
  while (!stopping_) {
    Trackers::StalePage page;
    try {
      page = co_await trackers->replicasHere(after);
    } catch (const Error& error) {
      if (error.code() != Errc::notSupported) throw;
      log::warn("recover.unchecked", {{"reason", "the tracker is of an earlier version"}});
      co_return;
    }
    std::map<InodeId, Layout> layouts;
    for (const Layout& layout : page.layouts) {
      if (layout.inode == 0 || layout.inode > limits::kMaxInode || layout.epoch == 0) continue;
      after = std::max(after, layout.inode);
      layouts[layout.inode] = layout;
    }
    auto job = [self, layouts] {
      std::vector<InodeId> missing;
      for (const auto& [inode, layout] : layouts) {
        try {
          if (!self->store.load(inode)) missing.push_back(inode);
        } catch (const Error&) {
          // It is there; that it cannot be read is seen when it is looked up.
        }
      }
      return missing;
    };
    auto pending = pools.scans->run(std::move(job));
    const std::vector<InodeId> missing = co_await std::move(pending);
    for (InodeId inode : missing) {
      const Layout layout = layouts.at(inode);
      kj::Promise<void> reported = enter(inode, [self, layout](FilePtr file) -> kj::Promise<void> {
        self->reportMissing(file, layout);
        return kj::READY_NOW;
      });
      const Duration limit = options.syncLimit;
      co_await rpc::await<void>(runtime, kj::mv(reported), limit);
    }
    if (!page.more || page.layouts.empty()) co_return;
  }
}

void Node::reportMissing(FilePtr file, const Layout& layout) {
  if (file->onDisk || file->replica.distrusted()) return;
  // The layout may have changed while the page was on its way: this replica counts all the same, unless the newer one
  // says otherwise.
  if (layout.epoch >= file->replica.epoch()) adopt(file, layout);
  const Role role = file->replica.role();
  if (role != Role::primary && role != Role::follower && role != Role::unknown) return;
  log::warn("replica.missing", {{"inode", log::hex(file->inode)}});
  distrustOwn(file, Error(Errc::notFound, "its creation was lost with the power"));
}

// The next process need not be suspicious any more.
void Node::suspectsSettled() {
  if (store.machineStayedUp() || !recovered_ || !newest_ || !suspects_.empty() || stopping_) return;
  const bool reporting =
      std::any_of(failures_.begin(), failures_.end(), [this](const auto& one) { return one.second == self(); });
  if (reporting) return;
  auto job = [self = shared_from_this()] {
    try {
      self->store.machineChecked();
    } catch (const Error& error) {
      log::error("data.lock.failed", {{"reason", error.what()}});
    }
  };
  pools.syncs->submit(std::move(job), [] {});
}

// What the catalog knows to be out of sync here: each of it is caught up.
Task<void> Node::takeStale() {
  auto self = shared_from_this();
  InodeId after = 0;
  while (!stopping_) {
    Trackers::StalePage page = co_await trackers->staleReplicas(after);
    for (const Layout& layout : page.layouts) {
      if (layout.inode == 0 || layout.inode > limits::kMaxInode || layout.epoch == 0) continue;
      after = std::max(after, layout.inode);
      const Layout known = layout;
      kj::Promise<void> taken = enter(layout.inode, [self, known](FilePtr file) -> kj::Promise<void> {
        if (known.epoch >= file->replica.epoch()) {
          self->adopt(file, known);
          self->startCatchUp(file);
        }
        return kj::READY_NOW;
      });
      const Duration limit = options.syncLimit;
      co_await rpc::await<void>(runtime, kj::mv(taken), limit);
    }
    if (!page.more || page.layouts.empty()) co_return;
  }
}

Task<void> Node::lookForStale() {
  auto self = shared_from_this();
  const Duration pause = options.staleInterval;
  co_await catchUpSignal_.waitFor(runtime.clock, pause);
  if (stopping_ || !recovered_ || !trackers->connected()) co_return;
  suspectsSettled();
  try {
    co_await takeStale();
  } catch (const Error& error) {
    log::debug("stale.failed", {{"reason", error.what()}});
  }
}

}  // namespace vcfs::storage
