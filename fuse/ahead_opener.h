#pragma once

#include "fuse/known.h"
#include "fuse/policy/open_ahead.h"
#include "fuse/tables/opened_ahead.h"

namespace vcfs::fuse {

// Opens files before the kernel asks, where they are opened in the order of their listing: asks where many of them lie
// at once, and fetches the bytes of the small ones. What is opened ahead is of sealed files of which every change is
// told before it counts (Cluster::changesAreTold), and dropped when one is, or after a while. Loop thread only.
class AheadOpener : public std::enable_shared_from_this<AheadOpener> {
 public:
  AheadOpener(Runtime& runtime, std::shared_ptr<Cluster> cluster, std::shared_ptr<Known> known)
      : runtime_(runtime), cluster_(std::move(cluster)), known_(std::move(known)) {}

  // A directory's listing told of this inode (OpenAhead::listed).
  void listed(InodeId directory, std::uint64_t after, InodeId inode) { order_.listed(directory, after, inode); }
  // A file that is about to be opened, as of now: asks for those along with it that will probably be opened next.
  Task<Entry> entryToOpen(InodeId id);
  // The file of this entry, when it is here; it is the caller's then.
  std::shared_ptr<File> take(const Entry& entry) { return opened_.take(entry.attr.inode, pageVersionOf(entry.attr)); }
  void drop(InodeId inode) { opened_.drop(inode); }  // something about it changed
  void clear() { opened_.clear(); }

 private:
  bool mayOpen(const InodePtr& inode) const;
  Task<void> fetchEntries(OpenAhead::Range range);
  Task<void> open(Entry entry);
  Task<void> expire();

  Runtime& runtime_;
  const std::shared_ptr<Cluster> cluster_;
  const std::shared_ptr<Known> known_;
  OpenAhead order_;
  OpenedAhead opened_;
  bool expiring_ = false;
};

}  // namespace vcfs::fuse
