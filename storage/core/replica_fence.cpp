#include "storage/core/replica_fence.h"

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
  if (epoch < epoch_) return Admission::stale;
  if (epoch == epoch_ && knowsLayout()) return Admission::ok;
  return hasLayout ? Admission::adopt : Admission::needLayout;
}

ReplicaFence::Admission ReplicaFence::admitReplication(Epoch epoch, bool hasLayout) const {
  if (epoch < epoch_) return Admission::stale;
  if (hasLayout && !(epoch == epoch_ && knowsLayout())) return Admission::adopt;
  return Admission::ok;
}

bool ReplicaFence::adopt(const Layout& layout, StorageId self) {
  if (layout.epoch < epoch_ || layout.epoch == 0) return false;
  if (layout.epoch > epoch_) deposed_ = false;
  epoch_ = layout.epoch;
  layout_ = layout;
  role_ = roleOf(layout, self);
  return true;
}

void ReplicaFence::raise(Epoch epoch) {
  if (epoch <= epoch_) return;
  epoch_ = epoch;
  role_ = Role::unknown;
  deposed_ = false;
}

std::string ReplicaFence::primaryAddress() const {
  const Replica* primary = layout_.primary();
  return primary == nullptr ? std::string() : primary->address;
}

}  // namespace vcfs::storage
