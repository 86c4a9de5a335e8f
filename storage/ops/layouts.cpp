// How a file's layout changes here: taking over, stepping down, losing and gaining replicas; and telling trackers
// about lost ones.
#include "common/base/log.h"
#include "schema/convert.h"
#include "storage/core/planted.h"
#include "storage/node.h"

namespace vcfs::storage {

using namespace std::chrono_literals;

namespace {

std::ptrdiff_t countInSync(const Layout& layout) {
  return std::count_if(layout.replicas.begin(), layout.replicas.end(),
                       [](const Replica& replica) { return replica.state == vcfs::ReplicaState::inSync; });
}

// Nobody has to be waited for but the one in sync.
bool isAlone(const Layout& layout) {
  return countInSync(layout) == 1 &&
         std::none_of(layout.replicas.begin(), layout.replicas.end(),
                      [](const Replica& replica) { return replica.state == vcfs::ReplicaState::syncing; });
}

}  // namespace

void Node::adoptNewer(FilePtr file, const Layout& layout) {
  if (layout.inode == file->inode && layout.epoch > file->replica.epoch()) adopt(std::move(file), layout);
}

// What a replica that falls behind is good for is written with the layout that says so.
void Node::noteGaps(File& file, Role before, Role now) {
  const auto behind = [](Role role) { return role == Role::syncing || role == Role::stale; };
  const auto inSync = [](Role role) { return role == Role::primary || role == Role::follower; };
  if (behind(now) && file.lacks) file.meta.partial = true;
  if (!inSync(now) || inSync(before)) return;
  file.meta.partial = false;
  file.cutAt.reset();
  if (before == Role::stale) file.lacks = false;  // one that was caught up: since the pass began
}

void Node::adopt(FilePtr file, const Layout& layout) {
  if (file->removed) return;
  const Role before = file->replica.role();
  const Epoch epochBefore = file->replica.epoch();
  const bool regains = before == Role::primary && file->replica.deposed();
  const bool newer = epochBefore != 0 && layout.epoch > epochBefore;
  const bool overtakes = before != Role::primary && newer && roleOf(layout, self()) == Role::primary;
  const std::vector<Replica> replicasBefore = overtakes ? file->replica.layout().replicas : std::vector<Replica>();
  if (!file->replica.adopt(layout, self())) return;
  const Role now = file->replica.role();
  file->meta.epoch = layout.epoch;
  noteGaps(*file, before, now);
  if (layout.epoch != epochBefore) persistMeta(file);
  if (now == Role::syncing || now == Role::stale || now == Role::none) {
    // The role itself keeps it from serving; catch-up makes it good.
    file->replica.trust();
    file->broken.reset();
    suspects_.erase(file->inode);
    failures_.erase({file->inode, self()});
  }
  if (before == Role::primary && now != Role::primary) {
    stepDown(file, Error(Errc::staleEpoch, "another server became the primary"));
  }
  if (now == Role::primary) {
    if (before != Role::primary) takeOver(file);
    if (regains && !file->replica.deposed()) expectWriters(*file);
    rebuildSlots(file, layout.epoch > epochBefore + 1);
    if (!file->replica.deposed()) settleUncertain(file);
    if (overtakes) tellReplaced(file, replicasBefore);
  } else {
    file->uncertain = false;  // compared in full before it is in sync again
  }
  if ((now == Role::primary || now == Role::follower) && file->unstable() && countInSync(layout) > 1) {
    distrustOwn(file, Error(Errc::io, "another replica is in sync, and a sync of this one has failed"));
  }
  if (before == Role::syncing && (now == Role::follower || now == Role::primary)) applyHeldSeal(file);
  if (now == Role::syncing) startCatchUp(file);
  if (now != Role::syncing) file->bytesToGo = 0;
  file->changed.notifyAll();
}

// The primary sealed the file while this replica was being caught up.
void Node::applyHeldSeal(FilePtr file) {
  if (!file->heldSeal) return;
  Mutation seal = *file->heldSeal;
  file->heldSeal.reset();
  if (seal.size == 0) seal.size = file->localEnd;
  applyLocal(file, seal, [file, state = seal.sealAs, self = shared_from_this()](std::optional<Error> error) {
    // Nobody waits for this answer: whoever cannot seal his copy tells a tracker, and gets it anew.
    if (error && file->replica.role() == Role::follower) self->distrustOwn(file, *error);
    if (error || file->meta.state != state) return;
    file->state = state;
    self->hardening_.insert(file->inode);
    file->changed.notifyAll();
  });
}

// A server that was replaced learns it from a tracker. While no tracker reaches it, those who read there would believe
// that the file has ended where it stood. Told once, and not waited for: it is fenced in any case.
void Node::tellReplaced(FilePtr file, const std::vector<Replica>& before) {
  if (planted(Bug::skipEpochCheck)) return;  // nobody may rely on it: it mostly hides what this bug does
  const Layout& now = file->replica.layout();
  const auto taken = [&](StorageId storage) {
    return std::any_of(now.replicas.begin(), now.replicas.end(), [&](const Replica& replica) {
      return replica.storage == storage && replica.state != vcfs::ReplicaState::stale;
    });
  };
  std::map<StorageId, std::string> replaced;
  for (const auto* replicas : {&before, &now.replicas}) {
    for (const Replica& replica : *replicas) {
      const bool reachable = !replica.address.empty() && replica.storage != self();
      if (reachable && !taken(replica.storage)) replaced[replica.storage] = replica.address;
    }
  }
  for (const auto& [storage, address] : replaced) {
    peers->withSession(address, storage, [file, epoch = now.epoch](PeerSession* session) {
      const Layout& layout = file->replica.layout();
      if (session == nullptr || layout.epoch != epoch) return;
      auto request = session->client.adoptRequest();
      schema::fill(request.initLayout(), layout);
      request.send().ignoreResult().detach([](kj::Exception&&) {});
    });
  }
}

void Node::takeOver(FilePtr file) {
  // The only in-sync replica there is, or a new file: what is here is what is published. Reads wait until it is on the
  // disk.
  file->acks.abandon();
  file->acks.setPublished(file->localEnd);
  if (file->localQueued != 0) {
    file->settling = true;
    pools.writes->submit([] {},
                         [file, which = ++file->takeOvers] {
                           if (which != file->takeOvers) return;
                           file->settling = false;
                           for (auto& waiting : std::exchange(file->whenSettled, {})) waiting->fulfill();
                         });
  }
  file->live.clear();
  // What several writers send again may come in another order than the one in which the former primary showed it.
  if (file->sequences.writers().size() > 1) file->takenOverNs = runtime.clock.wallNs();
  expectWriters(*file);
}

// A primary that has just become one learns who writes the file.
void Node::expectWriters(File& file) {
  if (!file.onDisk) return;
  if (file.sealed()) {  // the former primary may have died before it told that
    noteClosing(file);
    return;
  }
  noteReport(file);
  const TimePoint now = runtime.clock.now();
  // Who of them closed it long ago is not known here. Those who have it open say so: they write, or open it again when
  // they learn of the layout.
  file.writerClosed = false;
  for (ClientId client : file.sequences.writers()) leases_.openProvisionally(client, file.inode, now);
  if (leases_.writers(file.inode) == 0) orphans_[file.inode] = now + options.lease;
}

// Operations under way when this server was deposed may have been executed here and not at the others, or the other way
// round; if their client never repeats them they stay so. The others are compared with this replica in full.
void Node::settleUncertain(FilePtr file) {
  if (!std::exchange(file->uncertain, false)) return;
  std::vector<StorageId> others;
  for (const ReplicaSlot& slot : file->slots) {
    if (!slot.syncing) others.push_back(slot.storage);
  }
  for (StorageId storage : others) replicaLost(file, storage, "may differ in what was not acknowledged");
}

void Node::stepDown(FilePtr file, const Error& reason) {
  file->acks.abandon();
  auto pending = std::move(file->pending);
  file->pending.clear();
  file->slots.clear();
  leases_.closeAll(file->inode);
  orphans_.erase(file->inode);
  for (auto& [ticket, op] : pending) {
    // Somebody may not have it: should this server be the primary again, a repeat is executed and not just answered.
    if (op->mutation.client != 0) file->sequences.withdrawn(op->mutation.client, op->mutation.sequence);
    op->finish(reason);
    // Its bytes may still be under way to this disk; they are kept until that is over.
  }
}

void Node::depose(FilePtr file) {
  log::warn("primary.deposed", {{"inode", log::hex(file->inode)}, {"epoch", file->replica.epoch()}});
  endEpoch(file);
}

// This server serves nothing more before it knows a newer epoch.
void Node::endEpoch(FilePtr file) {
  file->replica.depose();
  file->uncertain = file->uncertain || file->undecided() != nullptr;
  stepDown(file, Error(Errc::staleEpoch, "this server is not the primary any more"));
  file->changed.notifyAll();
}

// `skipped`: there were layouts in between that this server does not know.
void Node::rebuildSlots(FilePtr file, bool skipped) {
  std::vector<ReplicaSlot> next;
  std::vector<StorageId> fresh;
  std::vector<StorageId> again;
  for (const Replica& replica : file->replica.layout().replicas) {
    if (replica.storage == self() || replica.state == vcfs::ReplicaState::stale) continue;
    const bool syncing = replica.state == vcfs::ReplicaState::syncing;
    const ReplicaSlot* old = file->slot(replica.storage);
    // In sync before and to be caught up now: it was lost in between and begins anew.
    const bool keeps = old != nullptr && (old->syncing || !syncing);
    if (keeps && syncing && skipped) again.push_back(replica.storage);
    ReplicaSlot slot;
    if (keeps) {
      slot = *old;
    } else {
      slot.incarnation = ++incarnations_;
      if (syncing) fresh.push_back(replica.storage);
    }
    slot.storage = replica.storage;
    slot.address = replica.address;
    slot.syncing = syncing;
    next.push_back(slot);
  }
  std::vector<StorageId> dropped;
  for (const ReplicaSlot& old : file->slots) {
    auto kept =
        std::find_if(next.begin(), next.end(), [&](const ReplicaSlot& s) { return s.incarnation == old.incarnation; });
    if (kept == next.end()) dropped.push_back(old.storage);
  }
  file->slots = std::move(next);
  for (StorageId storage : dropped) {
    failures_.erase({file->inode, storage});
    for (AckTracker::Ticket ticket : file->acks.drop(storage)) complete(file, ticket, std::nullopt);
  }
  settleRefused(file);
  for (StorageId storage : fresh) probe(file, storage);
  for (StorageId storage : again) probeAgain(file, storage);
}

// ---- lost replicas are told to a tracker ---------------------------------------------------------------------------

Task<void> Node::reportFailures() {
  auto self = shared_from_this();
  if (failures_.empty()) {
    co_await failureSignal_.wait();
    co_return;
  }
  std::vector<LostReplica> batch = dueFailures();
  if (batch.empty()) co_return;
  std::vector<LostReplica> asked = batch;
  try {
    std::vector<Layout> layouts = co_await trackers->reportFailure(std::move(batch));
    if (layouts.size() != asked.size()) throw Error(Errc::internal, "reportFailure: an answer of another length");
    for (std::size_t i = 0; i < asked.size(); ++i) applyFailureAnswer(asked[i], layouts[i]);
  } catch (const Error& error) {
    log::warn("failure.report.failed", {{"files", asked.size()}, {"reason", error.what()}});
  }
  // What is still there was refused or not heard: again, but not at once.
  bool again = false;
  for (const LostReplica& one : asked) again = again || failures_.contains({one.inode, one.storage});
  const Duration pause = again ? 100ms : 0ms;
  if (again) co_await this->pause(pause);
}

// At most one call's worth; forgets what is settled already.
std::vector<LostReplica> Node::dueFailures() {
  std::vector<LostReplica> batch;
  for (auto entry = failures_.begin(); entry != failures_.end() && batch.size() < 1000;) {
    const auto [inode, storage] = *entry;
    FilePtr file = find(inode);
    bool wanted = file != nullptr && file->ready;
    if (wanted && storage == self()) wanted = file->replica.distrusted();
    if (wanted && storage != self()) {
      const ReplicaSlot* slot = file->slot(storage);
      wanted = slot != nullptr && slot->failed;
    }
    if (!wanted) {
      entry = failures_.erase(entry);
      continue;
    }
    batch.push_back(LostReplica{inode, file->replica.epoch(), storage});
    ++entry;
  }
  return batch;
}

void Node::applyFailureAnswer(const LostReplica& asked, const Layout& layout) {
  FilePtr file = find(asked.inode);
  if (!file) return;
  if (layout.inode == 0) {  // the catalog has no such file any more
    failures_.erase({asked.inode, asked.storage});
    suspects_.erase(asked.inode);
    stepDown(file, Error(Errc::notFound, "the file was removed"));
    return;
  }
  if (layout.inode != asked.inode) return;
  adopt(file, layout);
  if (asked.storage != self() || layout.epoch != file->replica.epoch()) return;
  // Another one is to be the primary, and it is not known yet who.
  if (countInSync(layout) > 1) return;
  if (layout.epoch != asked.epoch && !isAlone(layout)) return;
  // The catalog keeps this replica although it was reported by its own server: it is the only one in sync.
  const Role role = file->replica.role();
  if (role != Role::primary && role != Role::follower) return;
  kept(file);
}

void Node::kept(FilePtr file) {
  if (store.machineStayedUp()) return goOn(file);
  if (file->localQueued != 0) return;  // reported again, and answered again
  if (file->onDisk) return goOn(file);
  // The power took it wholly. What was lost must be known to the next process too, which need not be suspicious.
  learnPowerLoss(*file, ownPowerLoss());
  Mutation empty;
  empty.kind = Mutation::Kind::open;
  const Epoch epoch = file->replica.epoch();
  applyLocal(file, empty, [self = shared_from_this(), file, epoch](std::optional<Error> error) {
    if (file->removed || file->replica.epoch() != epoch) return;  // asked again
    // What the disk refuses now it may refuse for ever. Its writers are to hear why, and the mark comes with the file.
    const bool refused = error && (refusedByDisk(error->code()) || error->code() == Errc::readOnly);
    if (!error || refused) self->goOn(file);
  });
}

void Node::goOn(FilePtr file) {
  const bool lostPower = file->meta.powerLoss != 0 && file->meta.powerLoss == ownPowerLoss();
  if (lostPower) ++counters.keptAfterPowerLoss;
  log::warn("replica.kept", {{"inode", log::hex(file->inode)},
                             {"reason", "no other replica is in sync"},
                             {"unsynced_bytes", lostPower ? "lost with the power, perhaps" : "there"}});
  failures_.erase({file->inode, self()});
  suspects_.erase(file->inode);
  file->replica.trust();
  failHere(file);
  file->changed.notifyAll();
}

}  // namespace vcfs::storage
