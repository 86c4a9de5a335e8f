#include "httpd/store/entry_cache.h"

#include <functional>

namespace vcfs::httpd {

std::uint16_t EntryCache::slotOf(const std::string& name) {
  return static_cast<std::uint16_t>(std::hash<std::string>()(name) % kSlots);
}

std::uint16_t EntryCache::slotOf(InodeId inode) {
  return static_cast<std::uint16_t>((inode * 0x9e3779b97f4a7c15ull) >> 52);
}

bool EntryCache::stale(const Item& item) const {
  if (clock_.now() >= item.expires || everythingChanged_ > item.askedAt) return true;
  for (std::uint16_t slot : item.slots) {
    if (changed_[slot] > item.askedAt) return true;
  }
  return false;
}

const Entry* EntryCache::find(const std::string& key) {
  auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  if (stale(found->second)) {
    entries_.erase(found);
    return nullptr;
  }
  return &found->second.entry;
}

void EntryCache::put(const std::string& key, const std::vector<std::string>& components, const Entry& entry,
                     std::uint64_t askedAt) {
  if (entry.attr.type != FileType::regular || entry.attr.state == FileState::open || maxAge_ <= Duration(0)) return;
  Item item;
  item.entry = entry;
  item.expires = clock_.now() + maxAge_;
  item.askedAt = askedAt;
  for (const std::string& component : components) item.slots.push_back(slotOf(component));
  item.slots.push_back(slotOf(entry.attr.inode));
  if (stale(item)) return;
  makeRoom();
  entries_[key] = std::move(item);
}

void EntryCache::changed(const Change& change) {
  ++sequence_;
  if (change.everything) everythingChanged_ = sequence_;
  if (change.inode != 0) changed_[slotOf(change.inode)] = sequence_;
  if (!change.name.empty()) changed_[slotOf(change.name)] = sequence_;
}

EntryCache::Heard EntryCache::heardSince(InodeId inode, std::uint64_t sequence) const {
  if (changed_[slotOf(inode)] > sequence) return Heard::named;
  return everythingChanged_ > sequence ? Heard::lostTrack : Heard::nothing;
}

void EntryCache::makeRoom() {
  if (entries_.size() < maxEntries_) return;
  std::erase_if(entries_, [this](const auto& item) { return stale(item.second); });
  if (entries_.size() >= maxEntries_) entries_.clear();
}

}  // namespace vcfs::httpd
