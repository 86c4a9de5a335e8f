// Attributes: getattr, setattr (with truncate), statfs.

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "fuse/convert.h"
#include "fuse/errno_map.h"
#include "fuse/file_system.h"
#include "fuse/policy/fatal_signal.h"
#include "vcfs/file_capability.h"

namespace vcfs::fuse {

Task<void> FileSystem::getattr(RequestPtr request, std::uint64_t node) {
  auto id = inodeOf(node);
  KernelView::Asking asking(kernel_, id);
  auto since = known_->changes.now();
  Entry entry;
  auto inode = known_->inodes.find(id);
  // A file that grows is asked about all the time. Its name, owner and mode are the tracker's, and we are told when
  // they change; size and time are its primary's.
  bool grows = inode && inode->handles > 0 && inode->entry.attr.state == FileState::open;
  bool sure = true;
  if (grows) {
    auto heard = co_await known_->ofOpen(inode);
    entry = std::move(heard.entry);
    sure = heard.sure;
    co_await cluster_->refresh(entry);
  } else if (inode && inode->entry.attr.type == FileType::directory) {
    entry = co_await orWithoutLinks(inode, known_->fresh(id));
    if (tellAttributes(*request, entry, since)) asking.answered();
    co_return;
  } else if (inode && inode->handles > 0 && inode->entry.attr.inode != 0) {
    // The kernel asks before it reads on, also what it has in its pages.
    auto heard = co_await known_->nowOfOpen(inode);
    entry = std::move(heard.entry);
    sure = heard.sure;
  } else {
    entry = co_await orWithoutLinks(inode, cluster_->getAttr(id));
  }
  if (!sure) co_return co_await tellRemembered(request, inode, std::move(entry));
  co_await present(entry, since, 0);
  if (tellAttributes(*request, entry, since)) asking.answered();
}

// Trackers did not answer. Neither this mount nor the kernel, for long, takes it for what is true: another host may
// have changed it.
Task<void> FileSystem::tellRemembered(RequestPtr request, InodePtr inode, Entry entry) {
  constexpr double kBelieved = 1;  // s; not 0: each read would wait for trackers
  if (entry.attr.type == FileType::regular) co_await inode->gate.beforeTelling(entry.attr.size);
  inode->kernelEnd = entry.attr.size;
  request->attributes(atimes_->shown(entry.attr), entry.attr.state == FileState::open ? 0 : kBelieved);
}

// What the kernel asks about by its number it still holds: a removed directory that somebody stands in, a fifo that is
// open. The trackers forget them sooner.
Task<Entry> FileSystem::orWithoutLinks(InodePtr inode, Task<Entry> asked) {
  Entry entry;
  try {
    entry = co_await std::move(asked);
  } catch (const Error& error) {
    if (error.code() != Errc::notFound || !inode || inode->entry.attr.inode == 0) throw;
    entry = inode->entry;
    entry.attr.nlink = 0;
  }
  co_return entry;
}

Task<void> FileSystem::setattr(RequestPtr request, std::uint64_t node, struct stat wanted, int which,
                               std::uint64_t handle) {
  auto id = inodeOf(node);
  std::optional<Entry> entry;  // the latest answer that tells all
  KernelView::Asking asking(kernel_, id);
  known_->changes.note(id);
  auto asked = known_->changes.now();
  if ((which & FUSE_SET_ATTR_SIZE) != 0) {
    if (wanted.st_size < 0) throw Error(Errc::invalid, "negative size");
    auto size = static_cast<std::uint64_t>(wanted.st_size);
    auto file = handle != 0 ? files_.find(handle) : nullptr;
    if (file && file->write) {
      co_await file->file->truncate(size);
    } else {
      entry = co_await cluster_->truncate(id, size);
    }
    if (auto inode = known_->inodes.find(id)) {
      inode->pages.reset();
      inode->changedHere = true;
    }
  }
  if ((which & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW)) != 0) co_await atimes_->settle(id);
  auto others = co_await setOthers(request, id, wanted, which);
  auto since = known_->noteOwnChange(id, asked);
  if (others) {
    entry = std::move(others);
    co_await cluster_->refreshWithin(*entry, kPrimaryPatience);
  } else if (!entry) {
    if (auto inode = known_->inodes.find(id); inode && inode->handles > 0) {
      auto heard = co_await known_->ofOpen(inode);
      co_await cluster_->refreshWithin(heard.entry, kPrimaryPatience);
      if (!heard.sure) co_return co_await tellRemembered(request, inode, std::move(heard.entry));
      entry = std::move(heard.entry);
    } else {
      entry = co_await known_->fresh(id);
      co_await cluster_->refreshWithin(*entry, kPrimaryPatience);
    }
  }
  co_await present(*entry, since, 0);
  if ((which & FUSE_SET_ATTR_SIZE) == 0) co_await atimes_->hearOfNextRead(id);
  if (tellAttributes(*request, *entry, since)) asking.answered();
}

// Mode, owner and times.
Task<std::optional<Entry>> FileSystem::setOthers(RequestPtr request, InodeId id, const struct stat& wanted, int which) {
  AttrChange change;
  bool any = false;
  if ((which & FUSE_SET_ATTR_MODE) != 0) change.mode = wanted.st_mode & 07777, any = true;
  if ((which & FUSE_SET_ATTR_UID) != 0) change.uid = wanted.st_uid, any = true;
  if ((which & FUSE_SET_ATTR_GID) != 0) change.gid = wanted.st_gid, any = true;
  if ((which & FUSE_SET_ATTR_ATIME_NOW) != 0) {
    change.atimeNow = any = true;
  } else if ((which & FUSE_SET_ATTR_ATIME) != 0) {
    change.atimeNs = toNs(wanted.st_atim), any = true;
  }
  if ((which & FUSE_SET_ATTR_MTIME_NOW) != 0) {
    change.mtimeNow = any = true;
  } else if ((which & FUSE_SET_ATTR_MTIME) != 0) {
    change.mtimeNs = toNs(wanted.st_mtim), any = true;
  }
  if ((request->origin().dropPrivileges || which == 0) && !change.mode) {
    const Attr known = co_await known_->permissions(id);
    auto mode = withoutPrivilegesOf(*request, known);
    // Nothing but "privileges go" is chown(-1, -1), or comes before a change of bytes, which sees to it itself.
    const bool may = which != 0 || request->uid() == 0 || request->uid() == known.uid;
    // Somebody else's chown(-1, -1) is refused where it would take privileges away, as on a local disk.
    if (which == 0 && !may && mode != known.mode && callsChown(request->pid())) throw Error(Errc::notPermitted);
    const bool has = known.type != FileType::directory && known.type != FileType::symlink;
    if (may && has && mode != known.mode) change.mode = mode, any = true;
  }
  std::optional<Entry> entry;
  if (!any && which != 0) co_return entry;  // chown(-1, -1) asks for nothing and moves ctime
  entry = co_await cluster_->setAttr(id, change);
  co_return entry;
}

std::uint32_t FileSystem::withoutPrivilegesOf(const Request& caller, const Attr& attr) {
  const bool inGroup = !privilegesDependOnGroup(attr.mode) || caller.uid() == 0 || caller.inGroup(attr.gid);
  return withoutPrivileges(attr.mode, inGroup);
}

// Not with each write: after somebody else changed the inode, once. Bytes do not wait long for trackers that are away;
// who reaches them again hears that everything may have changed. After that they do not wait at all: it is said of
// every file, with trackers that may be away again, and hardly any was changed.
Task<void> FileSystem::hearOfPrivileges(InodePtr inode) {
  const auto changesHeard = inode->changesHeard;
  if (inode->privilegesAsOf == changesHeard) co_return;
  if (inode->namedAsOf <= inode->privilegesAsOf) {
    if (known_->askPrivilegesLater(inode)) inode->privilegesAsOf = changesHeard;
    co_return;
  }
  co_await known_->askPrivileges(inode);
  inode->privilegesAsOf = std::max(inode->privilegesAsOf, changesHeard);
}

Task<void> FileSystem::endPrivileges(RequestPtr request, InodePtr inode, bool setIds) {
  co_await hearOfPrivileges(inode);
  if (setIds) co_await dropPrivileges(request, inode);
  if ((inode->entry.attr.acl & kHasCapability) != 0) co_await dropCapability(inode);
}

Task<void> FileSystem::dropPrivileges(RequestPtr request, InodePtr inode) {
  auto mode = withoutPrivilegesOf(*request, inode->entry.attr);
  if (mode == inode->entry.attr.mode) co_return;
  AttrChange change;
  change.mode = mode;
  auto asked = known_->changes.now();
  auto entry = co_await cluster_->setAttr(inode->id, change);
  noteOwnChange(entry, asked);
}

Task<void> FileSystem::dropCapability(InodePtr inode) {
  try {
    co_await cluster_->removeXattr(inode->id, std::string(kCapabilityAttribute));
  } catch (const Error& error) {
    if (error.code() != Errc::noAttribute) throw;
  }
  inode->entry.attr.acl &= static_cast<std::uint8_t>(~kHasCapability);
  known_->changes.note(inode->id);
  inode->known = false;
}

Task<void> FileSystem::statfs(RequestPtr request, std::uint64_t node) {
  auto space = co_await cluster_->statFs(inodeOf(node));
  struct statvfs answer = {};
  constexpr std::uint64_t kBlock = 4096;
  answer.f_bsize = kBlock;
  answer.f_frsize = kBlock;
  answer.f_blocks = space.totalBytes / kBlock;
  answer.f_bfree = space.freeBytes / kBlock;
  answer.f_bavail = answer.f_bfree;
  answer.f_files = space.files + (std::uint64_t{1} << 40);  // inode numbers do not run out
  answer.f_ffree = std::uint64_t{1} << 40;
  answer.f_namemax = 255;
  request->space(answer);
}

}  // namespace vcfs::fuse
