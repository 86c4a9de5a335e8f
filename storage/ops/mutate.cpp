// The primary's side of a mutation: put in order, executed here and at the other replicas, acknowledged when all who
// are in sync have it.
#include "common/base/log.h"
#include "storage/core/planted.h"
#include "storage/node.h"

namespace vcfs::storage {

OpPtr Node::begin(FilePtr file, const Mutation& mutation, std::shared_ptr<void> keep) {
  auto op = std::make_shared<PendingOp>();
  op->mutation = mutation;
  if (mutation.changesBytes()) {
    const std::int64_t present = std::max(file->mtimeNs, file->takenOverNs);
    op->mutation.mtimeNs = mtimeAfter(present, mutation.told, runtime.clock.wallNs());
  }
  op->keep = std::move(keep);
  noteClient(*file, mutation);

  std::vector<StorageId> waitFor{self()};
  for (const ReplicaSlot& slot : file->slots) {
    const bool counts = !slot.syncing || slot.joined;
    if (counts && !planted(Bug::publishEarly)) waitFor.push_back(slot.storage);
  }
  const std::uint64_t before = file->acks.orderedEnd();
  if (mutation.thenSeal) op->mutation.size = mutation.sizeAfter(before);
  op->reopens = mutation.opens() && file->onDisk && file->meta.state != FileState::open;
  op->overwrites = mutation.changesBytes() && (mutation.kind != Mutation::Kind::write || mutation.offset < before);
  if (mutation.kind == Mutation::Kind::truncate) {
    op->ticket = file->acks.beginTruncate(mutation.size, std::move(waitFor));
  } else {
    // Its own end: those before it may still fail, and their bytes must not be published with its own.
    op->ticket = file->acks.begin(mutation.changesBytes() ? mutation.sizeAfter(0) : 0, std::move(waitFor));
  }
  file->pending.emplace(op->ticket, op);
  if (mutation.changesBytes()) noteReport(*file);
  if (mutation.kind == Mutation::Kind::write) {
    ++counters.writes;
    counters.writtenBytes += mutation.data.size();
  }

  forward(file, op);
  applyLocal(file, op->mutation, [self = shared_from_this(), file, op](std::optional<Error> error) {
    self->localAnswered(file, op, std::move(error));
  });
  return op;
}

// In the file's order, here and at every other replica.
void Node::noteClient(File& file, const Mutation& mutation) {
  if (mutation.client != 0 && mutation.kind == Mutation::Kind::left) {
    file.sequences.leave(mutation.client);
  } else if (mutation.client != 0) {
    file.sequences.note(mutation.client, mutation.sequence);
  }
  if (mutation.seals()) file.sequences.leaveAll();
}

OpPtr Node::findPending(File& file, ClientId client, std::uint64_t sequence) {
  for (const auto& [ticket, op] : file.pending) {
    if (op->mutation.client == client && op->mutation.sequence == sequence) return op;
  }
  return nullptr;
}

void Node::localAnswered(FilePtr file, const OpPtr& op, std::optional<Error> error) {
  if (op->done) return;
  op->localDone = true;
  if (!error) {
    if (!op->refusedAt.empty()) settle(file, op);
    if (file->acks.ack(op->ticket, self())) complete(file, op->ticket, std::nullopt);
    return;
  }
  op->localError = error;
  if (refusedByDisk(error->code())) {
    op->localRefused = true;
    settle(file, op);
    return;
  }
  ownReplicaFailed(file, *error);
}

// A disk is full somewhere, or cannot do this at all. The client is told only when every in-sync replica refuses: then
// nobody has the bytes and all are alike. If somebody has them, those who have not are out of sync.
void Node::settle(FilePtr file, const OpPtr& op) {
  if (!op->localDone || op->done) return;
  if (!op->localRefused) {
    const std::vector<StorageId> without = op->refusedAt;
    op->refusedAt.clear();
    for (StorageId storage : without) replicaLost(file, storage, "its disk refused");
    return;
  }
  bool somebodyHasIt = false;
  bool somebodyOwes = false;
  for (const ReplicaSlot& slot : file->slots) {
    const bool refused = std::find(op->refusedAt.begin(), op->refusedAt.end(), slot.storage) != op->refusedAt.end();
    if (slot.failed || refused) continue;
    if (file->acks.waitsFor(op->ticket, slot.storage))
      somebodyOwes = true;
    else if (!slot.syncing)
      somebodyHasIt = true;
  }
  if (somebodyHasIt) {
    ownReplicaFailed(file, *op->localError);
  } else if (!somebodyOwes) {
    complete(file, op->ticket, op->localError);
  }
}

// Fewer replicas owe answers than before: what was refused here may be decided.
void Node::settleRefused(FilePtr file) {
  std::vector<OpPtr> refused;
  for (const auto& [ticket, op] : file->pending) {
    if (op->localRefused) refused.push_back(op);
  }
  for (const OpPtr& op : refused) settle(file, op);
}

void Node::complete(FilePtr file, AckTracker::Ticket ticket, std::optional<Error> error) {
  auto found = file->pending.find(ticket);
  if (found == file->pending.end()) return;
  const OpPtr op = found->second;
  file->pending.erase(found);
  if (error) {
    undone(file, op, *error);
  } else if (op->mutation.seals()) {
    sealedNow(file, op->mutation);
  }
  op->finish(std::move(error));
  op->keep = nullptr;
  if (file->changed.hasWaiters()) file->changed.notifyAll();
}

// The operation had no effect here, and its client is told so. Whoever may have executed it is out of sync.
void Node::undone(FilePtr file, const OpPtr& op, const Error& error) {
  const Mutation& mutation = op->mutation;
  if (mutation.client != 0) file->sequences.failed(mutation.client, mutation.sequence);
  if (mutation.seals() && leases_.writers(file->inode) == 0) sealLater(*file);
  // A full disk may have taken the first part of what was written over older bytes. What it cannot do at all it does
  // not begin; only a write may be refused for its end.
  const bool ranOut = error.code() == Errc::noSpace || error.code() == Errc::quotaExceeded;
  const bool partly =
      op->overwrites && (ranOut || (refusedByDisk(error.code()) && mutation.kind == Mutation::Kind::write));
  std::vector<StorageId> unlike;
  for (std::size_t i = 0; i < file->slots.size(); ++i) {
    const ReplicaSlot& slot = file->slots[i];
    if (slot.failed || (slot.syncing && !slot.joined)) continue;
    const bool refused = std::find(op->refusedAt.begin(), op->refusedAt.end(), slot.storage) != op->refusedAt.end();
    const bool differs = slot.syncing ? partly || !refused : partly;
    if (mutation.changesBytes() && differs) {
      unlike.push_back(slot.storage);
    } else if (slot.syncing) {
      tellClients(file, slot.storage);
    }
  }
  file->acks.fail(op->ticket);
  for (StorageId storage : unlike) replicaLost(file, storage, "may have what failed here");
}

void Node::sealedNow(FilePtr file, const Mutation& mutation) {
  if (file->meta.state != mutation.sealAs) return;  // it is being written again
  file->state = mutation.sealAs;
  file->writerVanished = false;
  ++(mutation.sealAs == FileState::closed ? counters.sealedClosed : counters.sealedRecovered);
  noteClosing(*file);
}

// A primary brings it onto stable storage once a tracker knows that it is closed (reportBatch).
void Node::followerSealed(File& file, FileState state) {
  file.state = state;
  hardening_.insert(file.inode);
  file.changed.notifyAll();
}

bool Node::othersInSync(const File& file) const {
  return std::any_of(file.slots.begin(), file.slots.end(),
                     [](const ReplicaSlot& slot) { return !slot.syncing && !slot.failed; });
}

void Node::ownReplicaFailed(FilePtr file, const Error& error) {
  if (!othersInSync(*file)) {
    failHere(file);  // the only replica there is: the writer must know
    return;
  }
  distrustOwn(file, error);
}

// What failed on this disk ends with that. One end may bring about others.
void Node::failHere(FilePtr file) {
  std::vector<OpPtr> failed;
  for (const auto& [ticket, op] : file->pending) {
    if (op->localError) failed.push_back(op);
  }
  for (const OpPtr& op : failed) {
    if (!op->done) complete(file, op->ticket, op->localError);
  }
}

// That a disk refuses is the primary's business: it drops this replica, or, when all refuse, tells the writer; either
// way nothing was acknowledged. After any other error it is not known what is on the disk.
void Node::followerFailed(FilePtr file, ClientId client, std::uint64_t sequence, const Error& error) {
  if (client != 0) file->sequences.failed(client, sequence);
  if (refusedByDisk(error.code())) return;
  const Role role = file->replica.role();
  if (role == Role::follower || role == Role::unknown) distrustOwn(file, error);
}

// A sync failed. The kernel has given up the pages that it could not write and calls them clean: a later sync would
// succeed, and mean nothing.
void Node::markUnstable(FilePtr file) {
  ++file->syncFailures;
  if (file->unstable()) return;
  log::error("replica.unstable", {{"inode", log::hex(file->inode)}});
  file->meta.unstable = true;
  if (!file->onDisk) return;
  try {
    store.markActive(file->inode);
  } catch (const Error& error) {  // it says so itself, too
    log::error("active.write.failed", {{"reason", error.what()}});
  }
  persistMeta(file);
}

// The same of a sealed file, behind everybody's back.
void Node::hardenFailed(FilePtr file, const Error& error) {
  ++counters.diskErrors;
  if (!file->onDisk || file->removed) return;
  markUnstable(file);
  const Role role = file->replica.role();
  const bool others = role == Role::primary ? othersInSync(*file) : role == Role::follower || role == Role::unknown;
  if (others) distrustOwn(file, error);
}

// Serves nothing more before a tracker has said how the file goes on.
void Node::distrustOwn(FilePtr file, const Error& error) {
  if (file->replica.distrusted()) return;
  log::error("replica.failed.here", {{"inode", log::hex(file->inode)}, {"reason", error.what()}});
  file->replica.distrust();
  failures_.insert({file->inode, self()});
  failureSignal_.notifyAll();
}

}  // namespace vcfs::storage
