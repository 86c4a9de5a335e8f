// Whether a request about a file may be served here, in its epoch and by this replica's role.
#include "storage/node.h"

namespace vcfs::storage {

// Which of a layout's replicas is this server's is not known before: a layout that was adopted now would have none
// here, and not be looked at again.
void Node::requireRegistered() const {
  if (self() == 0) throw Error(Errc::unavailable, "this server has not been registered at a tracker yet");
}

void Node::admit(const FilePtr& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout) {
  requireRegistered();
  if (file->removed) throw replicaRemoved();
  if (file->broken) throw *file->broken;
  if (!file->onDisk && removed_.removedIn(file->inode, epoch)) throw replicaRemoved();
  switch (file->replica.admit(epoch, hasLayout)) {
    case ReplicaFence::Admission::ok:
      return;
    case ReplicaFence::Admission::stale:
      ++counters.refusedStale;
      throw Error(Errc::staleEpoch, fmt::format("epoch {} is over, the file is in {}", epoch, file->replica.epoch()));
    case ReplicaFence::Admission::needLayout:
      throw Error(Errc::needLayout);
    case ReplicaFence::Admission::adopt:
      break;
  }
  adopt(file, limits::toLayout(layout, file->inode, epoch));
}

void Node::requirePrimary(const FilePtr& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout) {
  admit(file, epoch, hasLayout, layout);
  if ((file->preexisting && !recovered_) || mayLackFiles()) {
    throw Error(Errc::unavailable, "this server is being checked after its start");
  }
  if (file->replica.isPrimary()) return;
  if (file->replica.role() != Role::primary) throw Error(Errc::notPrimary, "another server is the primary");
  if (file->replica.distrusted()) throw Error(Errc::unavailable, "this replica is being checked");
  throw Error(Errc::staleEpoch, "this server is not the primary any more");
}

void Node::requireOrdering(const FilePtr& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout) {
  requirePrimary(file, epoch, hasLayout, layout);
  if (file->handingOver) throw Error(Errc::unavailable, "another server is about to become the primary");
}

void Node::requireReadable(const FilePtr& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout) {
  admit(file, epoch, hasLayout, layout);
  if ((file->preexisting && !recovered_) || mayLackFiles()) {
    throw Error(Errc::unavailable, "this server is being checked after its start");
  }
  if (!file->replica.servesReads()) throw Error(Errc::notInSync, "this replica is not in sync");
  if (file->replica.role() != Role::primary && !file->sealed()) {
    throw Error(Errc::notPrimary, "the file is open: only its primary knows its size");
  }
}

void Node::admitReplication(const FilePtr& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout) {
  requireRegistered();
  if (file->removed) throw removedFollower();
  // A replica that is made anew here is of a later epoch: else it would have only what comes from now on.
  if (!file->onDisk && removed_.removedIn(file->inode, epoch)) throw removedFollower();
  if (file->broken && !hasLayout) throw *file->broken;
  switch (file->replica.admitReplication(epoch, hasLayout)) {
    case ReplicaFence::Admission::stale:
      ++counters.refusedStale;
      throw Error(Errc::staleEpoch, fmt::format("epoch {} is over, the file is in {}", epoch, file->replica.epoch()));
    case ReplicaFence::Admission::adopt:
      adopt(file, limits::toLayout(layout, file->inode, epoch));
      break;
    default:
      break;
  }
  if (file->broken) throw *file->broken;
  if (epoch > file->replica.epoch()) file->replica.raise(epoch);
  if (file->replica.distrusted()) throw Error(Errc::notInSync, "this replica is being checked");
  // It may be one that the power cut took away altogether.
  if (!file->onDisk && mayLackFiles() && file->replica.role() != Role::syncing) {
    throw Error(Errc::notInSync, "this server is being checked after a power cut");
  }
  if (file->replica.knowsLayout()) {
    const Role role = file->replica.role();
    if (role == Role::primary) throw Error(Errc::staleEpoch, "this server is the primary of this epoch");
    if (role != Role::follower && role != Role::syncing) {
      throw Error(Errc::notInSync, "this server's replica takes no writes in this epoch");
    }
  }
}

}  // namespace vcfs::storage
