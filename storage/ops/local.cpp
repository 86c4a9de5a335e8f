// A mutation on this server's own disk: by the loop itself for small writes and small files, else as a job on the write
// pool.
#include "common/base/log.h"
#include "storage/node.h"

namespace vcfs::storage {

using namespace std::chrono_literals;

// What the pool's thread needs; nothing in it belongs to the loop.
struct Node::LocalJob {
  std::shared_ptr<ReplicaFile> disk;
  std::shared_ptr<RefusedWrites> refused;
  Mutation mutation;
  bool create = false;
  bool metaFirst = false;
  bool metaLast = false;
  bool reopens = false;  // a sealed file: that it is active has to survive a power cut
  bool syncs = false;
  bool cannotSync = false;        // an earlier sync failed
  std::uint64_t failedSyncs = 0;  // of the file, when this was put in order
  bool created = false;
  bool syncFailed = false;
  std::uint64_t sizeBefore = 0;
  ReplicaMeta first;
  ReplicaMeta last;
  std::string user;
  std::string name;
  std::optional<Error> error;
  std::optional<FileStat> stat;

  void run() {
    try {
      execute();
    } catch (const Error& failure) {
      error = failure;
      if (mutation.kind == Mutation::Kind::write) refused->note(mutation, sizeBefore, failure);
    } catch (const std::exception& failure) {
      error = Error(Errc::internal, failure.what());
    }
  }

  // After a power cut the disk may show the file as it was sealed before, whole and with old bytes. From now on the
  // list says not to trust it.
  void syncList(Store& store) {
    try {
      store.syncActiveList();
    } catch (const Error& failure) {
      error = failure;
    }
  }

  void syncFile() {
    try {
      disk->sync();
    } catch (const Error& failure) {
      error = failure;
      syncFailed = failure.code() != Errc::notFound;
    }
  }

 private:
  void execute() {
    if (mutation.kind == Mutation::Kind::write) {
      if (const auto earlier = refused->refuses(mutation)) throw *earlier;
    }
    if (create) {
      // A file that is sealed by its first write gets its attributes once, in their final form.
      disk->create(metaLast ? last : first, user, name);
      created = true;
    } else if (metaFirst && !metaLast) {
      disk->writeMeta(first);
    }
    switch (mutation.kind) {
      case Mutation::Kind::write:
        if (!mutation.data.empty()) {
          disk->pwrite(mutation.data, mutation.offset);
          refused->executed(mutation);
        }
        if (metaLast && last.sealedSize < sizeBefore) disk->truncate(last.sealedSize);
        break;
      case Mutation::Kind::truncate:
        disk->truncate(mutation.size);
        break;
      case Mutation::Kind::allocate:
        disk->allocate(mutation.offset, mutation.size, mutation.mode);
        break;
      case Mutation::Kind::seal:
        if (metaLast && last.sealedSize != sizeBefore) disk->truncate(last.sealedSize);
        break;
      default:
        break;
    }
    if (metaLast && !create) disk->writeMeta(last);
    if (metaLast || mutation.kind == Mutation::Kind::allocate || mutation.kind == Mutation::Kind::truncate) {
      stat = disk->stat();
    }
  }
};

namespace {

Error earlierSyncFailed() {
  return Error(Errc::io, "an earlier sync failed: what was written before it may not be on the disk");
}

}  // namespace

bool Node::mayRunInline(const File& file, const Mutation& mutation) const {
  return mutation.kind == Mutation::Kind::write && !mutation.thenSeal && !mutation.thenSync && file.onDisk &&
         !file.metaChanged && file.localQueued == 0 && mutation.data.size() <= options.inlineWriteBytes &&
         runtime.clock.now() >= slowUntil_ && file.disk->isOpen();
}

void Node::runInline(FilePtr file, const Mutation& mutation, LocalDone done) {
  const std::uint64_t end = std::exchange(file->localEnd, mutation.sizeAfter(file->localEnd));
  const TimePoint begun = runtime.clock.now();
  std::optional<Error> error;
  try {
    if (const auto earlier = file->refused->refuses(mutation)) throw *earlier;
    if (!mutation.data.empty()) file->disk->pwrite(mutation.data, mutation.offset);
    file->refused->executed(mutation);
  } catch (const Error& failure) {
    error = failure;
    file->refused->note(mutation, end, failure);
    ++counters.diskErrors;
  }
  ++counters.inlineWrites;
  if (runtime.clock.now() - begun > options.slowWrite) slowUntil_ = runtime.clock.now() + 1s;
  if (error) {
    file->endDoubtful = true;
    file->lacks = true;
    settleEnd(*file);
  }
  done(std::move(error));
}

// A small file that is made, written and sealed: three calls on the page cache, quicker than a thread's wake-up.
bool Node::mayRunOnLoop(const File& file, const Mutation& mutation, bool cuts) const {
  const bool kind = mutation.kind == Mutation::Kind::write || (mutation.kind == Mutation::Kind::seal && !cuts);
  return kind && !mutation.thenSync && mutation.data.size() <= options.inlineWriteBytes && file.localQueued == 0 &&
         runtime.clock.now() >= slowUntil_;
}

void Node::runOnLoop(FilePtr file, std::function<void()> job, std::function<void()> done) {
  auto run = [self = shared_from_this(), job = std::move(job), done = std::move(done)] {
    const TimePoint begun = self->runtime.clock.now();
    job();
    ++self->counters.inlineJobs;
    if (self->runtime.clock.now() - begun > self->options.slowWrite) self->slowUntil_ = self->runtime.clock.now() + 1s;
    done();
  };
  // A primary's message to the other replicas need not wait for our disk. It is handed to its connection in the rest of
  // this turn, which sends it in the next.
  if (!file->replica.isPrimary() && file->loopJobs == 0) return run();
  ++file->loopJobs;
  auto turn = [file, run = std::move(run)] {
    --file->loopJobs;
    run();
  };
  asio::post(runtime.io, [io = &runtime.io, turn = std::move(turn)]() mutable { asio::post(*io, std::move(turn)); });
}

// Everything that changes a file on this disk goes through here, in order.
void Node::submitLocal(FilePtr file, bool onLoop, std::function<void()> job, std::function<void()> done) {
  // What waits on the loop must not be overtaken on the pool.
  const bool behindLoop = file->loopJobs > 0;
  ++file->localQueued;
  if (onLoop || behindLoop) return runOnLoop(std::move(file), std::move(job), std::move(done));
  pools.writes->submit(std::move(job), std::move(done));
}

void Node::applyLocal(FilePtr file, const Mutation& mutation, LocalDone done) {
  if (mutation.kind == Mutation::Kind::left) {
    done(std::nullopt);
    return;
  }
  const bool opens = mutation.opens();
  // One that is being caught up promises nothing yet, and is synced at its end (CatchUp::syncOwn).
  const bool promises = file->replica.role() != Role::syncing;
  const bool reopens = opens && promises && file->onDisk && file->meta.state != FileState::open;
  if (opens && (file->meta.state != FileState::open || !file->onDisk)) {
    if (file->onDisk) {
      try {
        store.markActive(file->inode);
      } catch (const Error& error) {  // what is not in the list would be trusted after a crash
        ++counters.diskErrors;
        done(error);
        return;
      }
    }
    file->meta.state = FileState::open;
    file->metaChanged = file->metaChanged || file->onDisk;
    file->state = FileState::open;
    hardening_.erase(file->inode);
    reports_.notUrgent(file->inode);
    // A report of the closing may be on its way to a tracker: what comes after it must not wait for the next interval.
    if (file->onDisk && file->replica.isPrimary()) noteClosing(*file);
  }
  const bool syncs = mutation.syncs() && (promises || file->syncsCount);
  if (mutation.kind == Mutation::Kind::sync && !syncs) {
    done(std::nullopt);
    return;
  }
  // The pass of a replica that is being caught up may be about to cure that; not once a tracker was told of its end.
  const bool counts = promises || file->caughtUpIn == file->replica.epoch();
  const bool cannotSync = syncs && file->unstable() && counts;
  if (mutation.kind == Mutation::Kind::sync && cannotSync) {
    done(earlierSyncFailed());
    return;
  }
  if (opens) file->heldSeal.reset();
  touch(*file, mutation);
  if (mayRunInline(*file, mutation)) {
    runInline(file, mutation, std::move(done));
    return;
  }
  if (!file->onDisk && !opens && !mutation.seals()) {  // nothing to sync
    done(std::nullopt);
    return;
  }

  auto job = std::make_shared<LocalJob>();
  job->disk = file->disk;
  job->refused = file->refused;
  job->mutation = mutation;
  job->reopens = reopens;
  job->syncs = syncs;
  job->cannotSync = cannotSync;
  job->failedSyncs = file->syncFailures;
  job->sizeBefore = file->localEnd;
  job->create = !file->onDisk;
  job->metaFirst = file->metaChanged;
  job->first = file->meta;
  if (job->create) {
    job->user = file->replica.layout().user;
    job->name = file->replica.layout().name;
  }
  file->onDisk = true;
  newestMade_ = std::max(newestMade_, file->inode);
  file->metaChanged = false;
  file->localEnd = mutation.sizeAfter(file->localEnd);
  // A replica that is being caught up has not got everything: catch-up seals it at its end.
  if (mutation.seals() && file->replica.role() == Role::syncing) {
    if (job->create) job->first.state = FileState::open;
    job->mutation.kind = mutation.kind == Mutation::Kind::seal ? Mutation::Kind::open : mutation.kind;
    file->heldSeal = mutation;
    file->heldSeal->kind = Mutation::Kind::seal;
    file->heldSeal->data = {};
    if (mutation.kind == Mutation::Kind::write) file->heldSeal->size = 0;  // not told: what it will have then
  } else if (mutation.seals()) {
    file->meta.state = mutation.sealAs;
    // What this disk refused is decided: by now others have the same, or this replica is not in sync.
    file->lacks = file->meta.partial = false;
    // Not what this disk is believed to have: a job that has failed may still count in that.
    file->meta.sealedSize = file->localEnd = mutation.size;
    file->meta.mtimeNs = mutation.mtimeNs != 0 ? mutation.mtimeNs : file->mtimeNs;
    if (mutation.mtimeNs != 0) file->mtimeNs = mutation.mtimeNs;
    job->metaLast = true;
    job->last = file->meta;
  }
  const bool cuts = job->metaLast && job->last.sealedSize != job->sizeBefore;
  const bool onLoop = mayRunOnLoop(*file, mutation, cuts);

  auto finish = [self = shared_from_this(), file, job, done](std::optional<Error> error) {
    if (job->create) file->notMade = job->created ? std::nullopt : error;
    // A writer is told what was the matter (there was no room), and not that its file does not exist.
    if (error && error->code() == Errc::notFound && file->notMade) error = file->notMade;
    // What a sync in front of this one could not write is clean now: that this one succeeded means nothing.
    const bool overtaken = job->syncs && !job->syncFailed && file->syncFailures != job->failedSyncs;
    if (!error && (job->cannotSync || overtaken)) error = earlierSyncFailed();
    if (error) {
      ++self->counters.diskErrors;
      log::warn("disk.failed", {{"inode", log::hex(file->inode)}, {"reason", error->what()}});
      file->endDoubtful = true;
      if (job->mutation.changesBytes()) file->lacks = true;
      // What was queued behind it may have been written: the file is there once it was made.
      if (job->create && !job->created) file->onDisk = false;
      if (job->metaFirst) file->metaChanged = true;
      if (job->metaLast && file->localQueued == 1) {  // not sealed after all
        file->meta.state = FileState::open;
        file->metaChanged = file->onDisk;
      }
    }
    if (job->syncFailed) self->markUnstable(file);
    if (job->stat) file->blocks = job->stat->blocks;
    done(std::move(error));
    self->localFinished(file);
  };
  auto written = [self = shared_from_this(), job, finish] {
    if (job->error || !(job->syncs || job->reopens)) {
      finish(job->error);
      return;
    }
    // Behind this file's writes, but not in front of other files'.
    auto sync = [self, job] {
      if (job->reopens) job->syncList(self->store);
      if (job->syncs && !job->error) job->syncFile();
    };
    self->pools.syncs->submit(std::move(sync), [job, finish] { finish(job->error); });
  };
  submitLocal(
      file, onLoop, [job] { job->run(); }, std::move(written));
}

void Node::localFinished(FilePtr file) {
  --file->localQueued;
  settleEnd(*file);
}

// After a failure localEnd tells of bytes that are not there; how far those go that are, the disk knows.
void Node::settleEnd(File& file) {
  if (!file.endDoubtful || file.localQueued != 0) return;
  file.endDoubtful = false;
  try {
    file.localEnd = file.onDisk ? file.disk->stat().size : 0;
  } catch (const Error& error) {
    log::warn("disk.failed", {{"inode", log::hex(file.inode)}, {"reason", error.what()}});
    return;
  }
  // It took over in between, and published what was still on its way to the disk.
  if (file.acks.published() > file.localEnd) file.acks.setPublished(file.localEnd);
}

kj::Promise<void> Node::localBarrier(File& file) {
  if (file.localQueued == 0 && !file.settling) return kj::READY_NOW;
  auto pair = kj::newPromiseAndFulfiller<void>();
  // std::function wants to copy; the fulfiller cannot be.
  auto fulfiller = std::make_shared<kj::Own<kj::PromiseFulfiller<void>>>(kj::mv(pair.fulfiller));
  pools.writes->submit([] {}, [fulfiller] { (*fulfiller)->fulfill(); });
  return kj::mv(pair.promise);
}

// The attributes as they are now, in order with the file's other jobs.
void Node::persistMeta(FilePtr file) {
  if (!file->onDisk) return;
  auto job = std::make_shared<LocalJob>();
  job->disk = file->disk;
  job->mutation.kind = Mutation::Kind::open;
  job->metaFirst = true;
  job->first = file->meta;
  file->metaChanged = false;
  auto written = [self = shared_from_this(), file, job] {
    if (job->error) {
      ++self->counters.diskErrors;
      file->metaChanged = true;
    }
    self->localFinished(file);
  };
  submitLocal(
      file, false, [job] { job->run(); }, std::move(written));
}

}  // namespace vcfs::storage
