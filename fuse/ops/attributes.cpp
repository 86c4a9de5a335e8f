// Attributes: getattr, setattr (with truncate), statfs.

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "fuse/convert.h"
#include "fuse/errno_map.h"
#include "fuse/file_system.h"

namespace vcfs::fuse {

namespace {

// The kernel is asking about an inode.
class Asking {
 public:
  Asking(std::unordered_map<InodeId, unsigned>& questions, InodeId id) : questions_(questions), id_(id) {
    ++questions_[id_];
  }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;
  ~Asking() {
    if (--questions_[id_] == 0) questions_.erase(id_);
  }

 private:
  std::unordered_map<InodeId, unsigned>& questions_;
  const InodeId id_;
};

}  // namespace

Task<void> FileSystem::getattr(RequestPtr request, std::uint64_t node) {
  auto id = inodeOf(node);
  Asking asking(questions_, id);
  auto since = changes_.now();
  Entry entry;
  auto inode = inodes_.find(id);
  // A file that grows is asked about all the time. Its name, owner and mode are the tracker's, and we are told when
  // they change; size and time are its primary's.
  bool grows = inode && inode->handles > 0 && inode->entry.attr.state == FileState::open;
  if (grows) {
    entry = co_await entryOfOpen(inode);
    co_await cluster_->refresh(entry);
  } else if (inode && inode->entry.attr.type == FileType::directory) {
    entry = co_await freshEntry(id);
    request->attributes(toStat(entry.attr), attributesLast(entry, since));
    co_return;
  } else {
    entry = co_await cluster_->getAttr(id);
  }
  co_await present(entry, since, 0);
  request->attributes(toStat(entry.attr), attributesLast(entry, since));
}

Task<void> FileSystem::setattr(RequestPtr request, std::uint64_t node, struct stat wanted, int which,
                               std::uint64_t handle) {
  auto id = inodeOf(node);
  std::optional<Entry> entry;  // the latest answer that tells all
  changes_.note(id);
  if ((which & FUSE_SET_ATTR_SIZE) != 0) {
    if (wanted.st_size < 0) throw Error(Errc::invalid, "negative size");
    auto size = static_cast<std::uint64_t>(wanted.st_size);
    auto file = handle != 0 ? files_.find(handle) : nullptr;
    if (file && file->write) {
      co_await file->file->truncate(size);
    } else {
      entry = co_await cluster_->truncate(id, size);
    }
    if (auto inode = inodes_.find(id)) inode->pages.reset();
  }
  auto others = co_await setOthers(id, wanted, which, request->origin().dropPrivileges);
  changes_.note(id);
  auto since = changes_.now();
  if (others) {
    entry = std::move(others);
    co_await cluster_->refresh(*entry);
  } else if (!entry) {
    entry = co_await freshEntry(id);
    co_await cluster_->refresh(*entry);
  }
  co_await present(*entry, since, 0);
  request->attributes(toStat(entry->attr), attributesLast(*entry, since));
}

// Mode, owner and times.
Task<std::optional<Entry>> FileSystem::setOthers(InodeId id, const struct stat& wanted, int which,
                                                 bool dropPrivileges) {
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
  if (dropPrivileges && !change.mode) {
    auto known = co_await freshEntry(id);
    auto mode = withoutPrivileges(known.attr.mode);
    if (known.attr.type == FileType::regular && mode != known.attr.mode) change.mode = mode, any = true;
  }
  std::optional<Entry> entry;
  if (!any && which != 0) co_return entry;  // chown(-1, -1) asks for nothing and moves ctime
  if (change.mtimeNs) {
    // A write that is still on its way would set the time again (cp -p sets it before it closes).
    auto inode = inodes_.find(id);
    auto writer = inode ? inode->writer.lock() : nullptr;
    if (writer) co_await writer->flush(false);
  }
  entry = co_await cluster_->setAttr(id, std::move(change));
  co_return entry;
}

// A write by somebody who may not keep setuid and setgid on the file.
Task<void> FileSystem::dropPrivileges(InodePtr inode) {
  auto mode = withoutPrivileges(inode->entry.attr.mode);
  if (mode == inode->entry.attr.mode) co_return;
  AttrChange change;
  change.mode = mode;
  auto entry = co_await cluster_->setAttr(inode->id, std::move(change));
  noteOwnChange(entry);
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
