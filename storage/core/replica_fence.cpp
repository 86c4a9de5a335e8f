#include "storage/core/replica_fence.h"

#include "storage/core/planted.h"

namespace vcfs::storage {

Role roleOf(const Layout& layout, StorageId self) {
  const Replica* primary = layout.primary();
  for (const Replica& replica : layout.replicas) {
    if (replica.storage != self) continue;
    if (replica.state == vcfs::ReplicaState::syncing) return Role::syncing;
    if (replica.state == vcfs::ReplicaState::stale) return Role::stale;
    return &replica == primary ? Role::primary : Role::follower;
  }
  return Role::none;
}

ReplicaFence::Admission ReplicaFence::admit(Epoch epoch, bool hasLayout) const {
  if (epoch < epoch_) return planted(Bug::skipEpochCheck) ? Admission::ok : Admission::stale;
  if (epoch == epoch_ && knowsLayout()) return Admission::ok;
  return hasLayout ? Admission::adopt : Admission::needLayout;
}

ReplicaFence::Admission ReplicaFence::admitReplication(Epoch epoch, bool hasLayout) const {
  if (epoch < since_) return planted(Bug::skipEpochCheck) ? Admission::ok : Admission::stale;
  if (epoch < epoch_) return Admission::ok;
  if (hasLayout && !(epoch == epoch_ && knowsLayout())) return Admission::adopt;
  return Admission::ok;
}

// Whether the layout is the very next one, of the same primary, and this replica stayed one that gets every write. One
// that has to begin anew must not execute what was sent to it before it was lost.
bool ReplicaFence::continues(const Layout& layout, StorageId self) const {
  if (!knowsLayout() || layout.epoch > epoch_ + 1) return false;
  const Replica* before = layout_.primary();
  const Replica* now = layout.primary();
  if (before == nullptr || now == nullptr || before->storage != now->storage) return false;
  const Role next = roleOf(layout, self);
  if (role_ == Role::syncing) return next == Role::syncing || next == Role::follower;
  return role_ == Role::follower && next == Role::follower;
}

bool ReplicaFence::adopt(const Layout& layout, StorageId self) {
  if (layout.epoch < epoch_ || layout.epoch == 0) return false;
  if (layout.epoch > epoch_) deposed_ = false;
  if (!continues(layout, self)) since_ = layout.epoch;
  epoch_ = layout.epoch;
  layout_ = layout;
  role_ = roleOf(layout, self);
  return true;
}

void ReplicaFence::raise(Epoch epoch) {
  if (epoch <= epoch_) return;
  epoch_ = since_ = epoch;
  role_ = Role::unknown;
  deposed_ = false;
}

std::string ReplicaFence::primaryAddress() const {
  const Replica* primary = layout_.primary();
  return primary == nullptr ? std::string() : primary->address;
}

}  // namespace vcfs::storage
