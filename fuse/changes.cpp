// What was changed, by others or here: who remembers something of it, the kernel among them, forgets it.

#include "fuse/file_system.h"

namespace vcfs::fuse {

// Somebody else changed something. The kernel hears of it on the notifiers' threads.
void FileSystem::changed(const Change& change) {
  if (!kernel_->attached()) return;
  if (change.everything) return everythingChanged();
  if (change.times) return timesChanged(change.inode);
  if (change.inode != 0) inodeChanged(change);
  if (change.parent != 0 && !change.name.empty()) nameChanged(change.parent, change.name);
}

void FileSystem::timesChanged(InodeId id) {
  known_->changes.note(id);
  auto inode = known_->inodes.find(id);
  if (inode) inode->known = false;
  const bool believed = !inode || std::exchange(inode->believed, false);
  if (believed) kernel_->forgetAttributes(id);
}

void FileSystem::inodeChanged(const Change& change) {
  const InodeId id = change.inode;
  known_->changes.note(id);
  known_->plain.remove(id);
  ahead_->drop(id);
  bool pages = change.data;
  bool believed = true;
  if (auto inode = known_->inodes.find(id)) {
    inode->known = false;
    inode->changedElsewhere = true;
    // In the middle of a failover a write has nothing to ask for.
    if (!change.layout) inode->namedAsOf = ++inode->changesHeard;
    // Another host may be writing it from now on, or have just finished.
    pages = pages || inode->cachedHandles > 0;
    // Of files that are open past the pages, what is mapped is in pages nevertheless.
    pages = pages || (inode->handles > 0 && !change.layout && kernel_->mapsDirect());
    if (pages) inode->pages.reset();
    believed = std::exchange(inode->believed, false);
  }
  if (pages) {
    kernel_->forgetPages(id);
  } else if (believed) {
    // Not for our own file's closing, which we hear of too: the kernel knows nothing old.
    kernel_->forgetAttributes(id);
  }
}

void FileSystem::nameChanged(InodeId directory, const std::string& name) {
  known_->changes.note(directory);
  keptListings_.forget(directory);
  if (auto parent = known_->inodes.find(directory)) parent->known = false;
  kernel_->forgetAttributes(directory);
  kernel_->forgetName(directory, name);
}

void FileSystem::everythingChanged() {
  known_->distrustAll();
  keptListings_.clear();
  ahead_->clear();
  kernel_->forgetEverything();
}

std::uint64_t FileSystem::noteOwnChange(const Entry& entry, std::uint64_t asked) {
  if (entry.attr.inode == 0) return asked;
  ahead_->drop(entry.attr.inode);
  return known_->noteOwnChange(entry, asked);
}

void FileSystem::noteOwnChangeIn(InodeId directory, std::int64_t whenNs, int moreLinks) {
  known_->noteOwnChangeIn(directory, whenNs, moreLinks);
}

}  // namespace vcfs::fuse
