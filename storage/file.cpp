#include "storage/file.h"

namespace vcfs::storage {

kj::Promise<void> PendingOp::wait() {
  if (done) return kj::READY_NOW;
  auto pair = kj::newPromiseAndFulfiller<void>();
  waiting.push_back(kj::mv(pair.fulfiller));
  return kj::mv(pair.promise);
}

void PendingOp::finish(std::optional<Error> outcome) {
  if (done) return;
  done = true;
  error = std::move(outcome);
  for (auto& fulfiller : waiting) fulfiller->fulfill();
  waiting.clear();
}

ReplicaSlot* File::slot(StorageId storage) {
  for (ReplicaSlot& candidate : slots) {
    if (candidate.storage == storage) return &candidate;
  }
  return nullptr;
}

void File::setPowerLoss(std::uint64_t loss, std::uint64_t losses) {
  if (meta.powerLoss == loss && meta.powerLosses == losses) return;
  meta.powerLoss = loss;
  meta.powerLosses = losses;
  metaChanged = metaChanged || onDisk;
}

OpPtr File::undecided() const {
  for (auto op = pending.rbegin(); op != pending.rend(); ++op) {
    if (op->second->mutation.changesBytes()) return op->second;
  }
  return nullptr;
}

bool File::sealsWithout(const ReplicaSlot& slot) const {
  for (const auto& [ticket, op] : pending) {
    if (ticket > slot.unsentUpTo) break;
    if (op->mutation.seals()) return true;
  }
  return false;
}

std::uint64_t File::readableEnd() const { return replica.role() == Role::primary ? acks.published() : localEnd; }

}  // namespace vcfs::storage
