#pragma once

#include "common/async/signal.h"
#include "common/runtime/runtime.h"
#include "fuse/mount_settings.h"
#include "fuse/tables/change_log.h"
#include "fuse/tables/inode_table.h"
#include "fuse/tables/plain_inodes.h"
#include "vcfs/cluster.h"

namespace vcfs::fuse {

// What this mount knows of the store's inodes, and for how long that is good enough to be used without asking. What
// others change makes it unknown (FileSystem::changed). Loop thread only.
class Known : public std::enable_shared_from_this<Known> {
 public:
  Known(Runtime& runtime, std::shared_ptr<Cluster> cluster, const MountSettings& settings);

  InodeTable inodes;
  ChangeLog changes;
  PlainInodes plain;  // have no extended attributes

  // `since`: changes.now() from before the entry was asked for; so in all that takes it.
  InodePtr remember(const Entry& entry, std::uint64_t since);
  void distrustAll();  // whatever is known must be asked for again
  void notePlain(const Entry& entry, std::uint64_t since);

  bool isFresh(const Inode& inode) const;      // what is remembered can be trusted
  bool justFetched(const Inode& inode) const;  // by the lookup of the call that is being answered
  Task<Entry> fresh(InodeId id);               // asks unless it is
  struct Heard {
    Entry entry;
    bool sure =
        false;  // false: trackers did not answer, and it is what was remembered; it must not be remembered as true
  };
  // The same for an inode that is open here, but does not wait long for trackers: open files go on without them.
  Task<Heard> ofOpen(InodePtr inode);
  // Always asks, and does not wait long for trackers either. Where they know it no more, it has no links.
  Task<Heard> nowOfOpen(InodePtr inode);
  // Owner, mode and capabilities, which are the catalog's; for an inode that is open here as askPrivileges does.
  Task<Attr> permissions(InodeId id);
  // Owner, mode and capabilities of an inode that is open here, into its entry. They are the catalog's: its primary is
  // not asked. Does not wait long for trackers either; an answer that comes later counts from then on.
  Task<void> askPrivileges(InodePtr inode);
  // The same, with nobody who waits. False: such a question is under way, which may have been asked too early.
  bool askPrivilegesLater(InodePtr inode);
  // Whether what a listing of before told of it may be old: its primary or this mount knows more.
  bool mayBeMoving(const Attr& listed, std::uint64_t since);

  // We changed it: what is on its way to the kernel about it is old. `asked`: changes.now() from before that. Returns
  // the `since` of the answer: what others changed meanwhile may be newer than it.
  std::uint64_t noteOwnChange(InodeId inode, std::uint64_t asked);
  std::uint64_t noteOwnChange(const Entry& entry, std::uint64_t asked);
  // We changed what is in this directory at `whenNs` (the tracker's time of the change; 0: not known).
  void noteOwnChangeIn(InodeId directory, std::int64_t whenNs, int moreLinks);

 private:
  Task<void> forAMoment(Task<void> asking);
  struct Answer {
    std::optional<Entry> entry;
    bool absent = false;
    bool late = false;  // nobody waits any more
  };
  Task<void> hear(InodeId id, std::shared_ptr<std::optional<Entry>> answer);
  Task<void> hearNow(InodeId id, std::shared_ptr<Answer> answer);
  Task<void> hearPrivileges(InodePtr inode);
  Task<void> hearPrivilegesLater(InodePtr inode);

  Runtime& runtime_;
  const std::shared_ptr<Cluster> cluster_;
  const Duration freshFor_;
};

}  // namespace vcfs::fuse
