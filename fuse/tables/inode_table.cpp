#include "fuse/tables/inode_table.h"

namespace vcfs::fuse {

InodePtr InodeTable::find(InodeId id) {
  auto at = slots_.find(id);
  if (at == slots_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, at->second.place);
  return at->second.inode;
}

InodePtr InodeTable::get(InodeId id) {
  if (auto inode = find(id)) return inode;
  makeRoom();
  recent_.push_front(id);
  Slot slot;
  slot.inode = std::make_shared<Inode>(io_, id);
  slot.place = recent_.begin();
  return slots_.emplace(id, std::move(slot)).first->second.inode;
}

InodePtr InodeTable::remember(const Entry& entry, TimePoint now) {
  auto inode = get(entry.attr.inode);
  inode->entry = entry;
  inode->known = true;
  inode->fetched = now;
  return inode;
}

void InodeTable::forget(InodeId id) {
  auto at = slots_.find(id);
  if (at == slots_.end() || at->second.inode.use_count() > 1) return;
  recent_.erase(at->second.place);
  slots_.erase(at);
}

void InodeTable::distrustAll() {
  for (auto& [id, slot] : slots_) {
    slot.inode->known = false;
    slot.inode->changedElsewhere = true;
    ++slot.inode->changesHeard;
  }
}

void InodeTable::makeRoom() {
  if (slots_.size() < capacity_) return;
  // Those in use are passed over; a few steps per call suffice, as each call adds one.
  for (int steps = 0; steps < 8 && slots_.size() >= capacity_; ++steps) {
    auto oldest = recent_.back();
    auto at = slots_.find(oldest);
    if (at->second.inode.use_count() > 1) {
      recent_.splice(recent_.begin(), recent_, at->second.place);
      continue;
    }
    recent_.pop_back();
    slots_.erase(at);
  }
}

}  // namespace vcfs::fuse
