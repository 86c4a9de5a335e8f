// Names: lookup, creation of everything but regular files, removal, renaming, links.

#include <sys/stat.h>

#include "common/base/log.h"
#include "fuse/convert.h"
#include "fuse/errno_map.h"
#include "fuse/file_system.h"

namespace vcfs::fuse {

Task<void> FileSystem::lookup(RequestPtr request, std::uint64_t parent, std::string name) {
  auto since = known_->changes.now();
  auto directory = inodeOf(parent);
  std::optional<Entry> entry;
  if (name == ".") {  // asked by the kernel's NFS server
    entry = co_await cluster_->getAttr(directory);
    // A file handle (open_by_handle_at) does not bring back what was deleted.
    if (entry->attr.nlink == 0) entry.reset();
  } else if (name == "..") {
    auto above = co_await parentOf(directory);
    entry = co_await cluster_->getAttr(above);
  } else {
    entry = co_await cluster_->lookup(directory, name);
    // The kernel holds the directory's lock until it has its answer.
    if (entry) co_await cluster_->refreshWithin(*entry, kPrimaryPatience);
    if (entry && entry->attr.type == FileType::directory) directoryNames_.add(directory, name, entry->attr.inode);
  }
  if (!entry) {
    bool appeared = known_->changes.changedSince(directory, since);
    request->noEntry(appeared ? 0 : toSeconds(kernel_->believed(settings_.negativeCache)));
    co_return;
  }
  keptListings_.askedFor(directory);
  const bool below = entry->attr.type == FileType::directory && name != "." && name != "..";
  co_await present(*entry, since, below ? directory : 0);
  request->entry(parameters(*entry, since));
}

void FileSystem::noteDirectoryName(InodeId parent, const std::string& name, const Entry& entry) {
  if (entry.attr.type == FileType::directory) directoryNames_.add(parent, name, entry.attr.inode);
}

// A new inode that is not opened: what its maker is told.
Task<void> FileSystem::reportMade(RequestPtr request, Entry entry, std::uint64_t since, InodeId parent) {
  since = noteOwnChange(entry, since);
  co_await present(entry, since, entry.attr.type == FileType::directory ? parent : 0);
  request->entry(parameters(entry, since));
}

Task<void> FileSystem::mknod(RequestPtr request, std::uint64_t parent, std::string name, std::uint32_t mode,
                             std::uint64_t rdev) {
  CreateRequest wanted;
  wanted.parent = inodeOf(parent);
  wanted.name = std::move(name);
  wanted.type = fileTypeOf(mode);
  wanted.mode = mode & 07777;
  wanted.umask = request->umask();
  wanted.uid = request->uid();
  wanted.gid = request->gid();
  wanted.exclusive = true;
  wanted.rdev = rdev;
  if (wanted.type == FileType::none) throw Error(Errc::invalid, "unknown file type");
  auto since = known_->changes.now();
  auto directory = wanted.parent;
  auto made = co_await cluster_->create(std::move(wanted));
  noteOwnChangeIn(directory, made.created ? made.entry.attr.ctimeNs : 0);
  if (made.entry.attr.type == FileType::regular) runtime_.spawn("fuse.seal", sealMade(made.entry));
  co_await reportMade(std::move(request), std::move(made.entry), since, directory);
}

// Who makes a file by mknod(2), or by open(2) for reading, does not write it: without this it would count as being
// recorded for as long as this mount is there.
Task<void> FileSystem::sealMade(Entry entry) {
  auto self = shared_from_this();
  try {
    OpenMode mode;
    mode.write = true;
    auto file = co_await cluster_->open(entry, mode);
    co_await file->close();
  } catch (const Error& error) {
    log::warn("fuse.seal_failed", {{"inode", log::hex(entry.attr.inode)}, {"reason", error.what()}});
  }
}

Task<void> FileSystem::symlink(RequestPtr request, std::string target, std::uint64_t parent, std::string name) {
  CreateRequest wanted;
  wanted.parent = inodeOf(parent);
  wanted.name = std::move(name);
  wanted.type = FileType::symlink;
  wanted.mode = 0777;
  wanted.uid = request->uid();
  wanted.gid = request->gid();
  wanted.exclusive = true;
  wanted.symlinkTarget = std::move(target);
  auto since = known_->changes.now();
  auto directory = wanted.parent;
  auto made = co_await cluster_->create(std::move(wanted));
  noteOwnChangeIn(directory, made.created ? made.entry.attr.ctimeNs : 0);
  co_await reportMade(std::move(request), std::move(made.entry), since, directory);
}

Task<void> FileSystem::mkdir(RequestPtr request, std::uint64_t parent, std::string name, std::uint32_t mode) {
  auto since = known_->changes.now();
  auto directory = inodeOf(parent);
  auto entry =
      co_await cluster_->mkdir(directory, name, mode & 07777, request->uid(), request->gid(), request->umask());
  directoryNames_.add(directory, name, entry.attr.inode);
  noteOwnChangeIn(directory, entry.attr.ctimeNs, 1);
  co_await reportMade(std::move(request), std::move(entry), since, directory);
}

Task<void> FileSystem::unlink(RequestPtr request, std::uint64_t parent, std::string name) {
  auto asked = known_->changes.now();
  auto entry = co_await cluster_->unlink(inodeOf(parent), std::move(name));
  noteOwnChangeIn(inodeOf(parent), entry.attr.ctimeNs);
  noteOwnChange(entry, asked);
  request->done();
}

Task<void> FileSystem::rmdir(RequestPtr request, std::uint64_t parent, std::string name) {
  co_await cluster_->rmdir(inodeOf(parent), name);
  noteOwnChangeIn(inodeOf(parent), 0);
  if (auto removed = directoryNames_.take(inodeOf(parent), name)) {
    known_->changes.note(*removed);
    if (auto inode = known_->inodes.find(*removed)) inode->known = false;
  }
  request->done();
}

Task<void> FileSystem::rename(RequestPtr request, std::uint64_t parent, std::string name, std::uint64_t newParent,
                              std::string newName, std::uint32_t flags) {
  constexpr std::uint32_t kNoReplace = 1, kExchange = 2;
  if ((flags & ~(kNoReplace | kExchange)) != 0 || flags == (kNoReplace | kExchange)) {
    throw Error(Errc::invalid, "rename flags");
  }
  auto to = inodeOf(newParent);
  auto asked = known_->changes.now();
  auto renamed = co_await cluster_->rename(inodeOf(parent), name, to, newName, flags);
  noteDirectoryName(to, newName, renamed.entry);
  if (flags == kExchange && renamed.replaced) noteDirectoryName(inodeOf(parent), name, *renamed.replaced);
  // A directory that moves or goes changes link counts.
  const bool plain = flags != kExchange && renamed.entry.attr.type != FileType::directory &&
                     (!renamed.replaced || renamed.replaced->attr.type != FileType::directory);
  noteOwnChangeIn(inodeOf(parent), plain ? renamed.entry.attr.ctimeNs : 0);
  if (to != inodeOf(parent)) noteOwnChangeIn(to, plain ? renamed.entry.attr.ctimeNs : 0);
  noteOwnChange(renamed.entry, asked);
  if (renamed.replaced) noteOwnChange(*renamed.replaced, asked);
  if (auto inode = known_->inodes.find(renamed.entry.attr.inode)) inode->parent = flags == kExchange ? 0 : to;
  if (flags == kExchange && renamed.replaced) {
    if (auto inode = known_->inodes.find(renamed.replaced->attr.inode)) inode->parent = 0;
  }
  co_await atimes_->hearOfNextRead(renamed.entry.attr.inode);
  request->done();
}

Task<void> FileSystem::link(RequestPtr request, std::uint64_t node, std::uint64_t newParent, std::string newName) {
  KernelView::Asking asking(kernel_, inodeOf(node));
  auto asked = known_->changes.now();
  auto entry = co_await cluster_->link(inodeOf(node), inodeOf(newParent), std::move(newName));
  noteOwnChangeIn(inodeOf(newParent), entry.attr.ctimeNs);
  auto since = noteOwnChange(entry, asked);
  co_await atimes_->hearOfNextRead(entry.attr.inode);
  co_await cluster_->refreshWithin(entry, kPrimaryPatience);
  co_await present(entry, since, 0);
  if (request->entry(parameters(entry, since))) asking.answered();
}

Task<void> FileSystem::readlink(RequestPtr request, std::uint64_t node) {
  auto target = co_await cluster_->readLink(inodeOf(node));
  auto inode = known_->inodes.find(inodeOf(node));
  if (inode) inode->linkCached = true;
  atimes_->noteReadOf(inodeOf(node));
  request->link(target);
}

void FileSystem::forget(std::uint64_t node) { known_->inodes.forget(inodeOf(node)); }

}  // namespace vcfs::fuse
