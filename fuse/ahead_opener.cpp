#include "fuse/ahead_opener.h"

namespace vcfs::fuse {

Task<Entry> AheadOpener::entryToOpen(InodeId id) {
  auto self = shared_from_this();
  auto inode = known_->inodes.find(id);
  if (mayOpen(inode)) co_return inode->entry;
  if (auto range = order_.missed(id); range && cluster_->changesAreTold()) {
    co_await fetchEntries(*range);
    inode = known_->inodes.find(id);
    if (mayOpen(inode)) co_return inode->entry;
  }
  if (inode) inode->known = false;
  co_return co_await known_->fresh(id);
}

// Close-to-open: whatever another host closed before this open(2) must be seen by it.
bool AheadOpener::mayOpen(const InodePtr& inode) const {
  if (!inode || !known_->isFresh(*inode)) return false;
  return cluster_->changesAreTold() || known_->justFetched(*inode);
}

Task<void> AheadOpener::fetchEntries(OpenAhead::Range range) {
  auto since = known_->changes.now();
  DirPage page;
  try {
    page = co_await cluster_->readDir(range.directory, range.after, range.count, true);
  } catch (const Error& error) {
    if (error.code() != Errc::notFound && error.code() != Errc::notDirectory) throw;
  }
  for (const auto& found : page.entries) {
    const Attr& attr = found.entry.attr;
    if (attr.type != FileType::regular || known_->mayBeMoving(attr, since)) continue;
    known_->remember(found.entry, since);
    if (attr.size == 0 || attr.size > OpenedAhead::kLargest) continue;
    try {
      co_await open(found.entry);
    } catch (const Error&) {
      // Nobody asked for this one yet. Who does is told why.
    }
  }
}

Task<void> AheadOpener::open(Entry entry) {
  const auto version = pageVersionOf(entry.attr);
  const auto id = entry.attr.inode;
  const auto size = entry.attr.size;
  if (opened_.contains(id)) co_return;
  OpenMode mode;
  mode.read = true;
  auto file = co_await cluster_->open(std::move(entry), mode);
  file->willRead(0, size);
  opened_.add(id, version, std::move(file), runtime_.clock.now());
  if (!std::exchange(expiring_, true)) runtime_.spawn("fuse.expire_ahead", expire());
}

Task<void> AheadOpener::expire() {
  std::weak_ptr<AheadOpener> weak = weak_from_this();
  auto& clock = runtime_.clock;
  while (true) {
    co_await clock.sleep(OpenedAhead::kKept);
    auto self = weak.lock();
    if (!self) co_return;
    self->opened_.expire(clock.now());
    if (!self->opened_.empty()) continue;
    self->expiring_ = false;
    co_return;
  }
}

}  // namespace vcfs::fuse
