// Open files: open, create, flush, release, fsync.

#include <fcntl.h>

#include "common/base/log.h"
#include "fuse/convert.h"
#include "fuse/errno_map.h"
#include "fuse/file_system.h"

namespace vcfs::fuse {

namespace {

constexpr std::uint64_t kFetchedAtOpen = 64u << 10;
constexpr double kJustMade = 0.001;  // seconds

OpenRequest wishOf(int flags) {
  OpenRequest wish;
  auto access = flags & O_ACCMODE;
  wish.read = access == O_RDONLY || access == O_RDWR;
  wish.write = access == O_WRONLY || access == O_RDWR;
  wish.append = wish.write && (flags & O_APPEND) != 0;
  wish.direct = (flags & O_DIRECT) != 0;
  return wish;
}

OpenMode modeOf(const OpenRequest& wish) {
  OpenMode mode;
  mode.read = wish.read;
  mode.write = wish.write;
  mode.append = wish.append;
  return mode;
}

}  // namespace

Task<void> FileSystem::open(RequestPtr request, std::uint64_t node, int flags) {
  const auto before = known_->inodes.find(inodeOf(node));
  const auto changesHeard = before ? before->changesHeard : 0;
  auto entry = co_await ahead_->entryToOpen(inodeOf(node));
  if (!co_await kernel_->knowsEnd(entry, request->pid())) {
    request->error(errnoNameRace());
    co_return;
  }
  // The kernel checked this against the mode it knows; opening makes no difference for pipes and devices.
  auto mode = modeOf(wishOf(flags));
  auto file = ahead_->take(entry);
  if (!file || mode.write) file = co_await cluster_->open(entry, mode);
  if (!cluster_->changesAreTold()) kernel_->forgetOlder(entry);
  co_await kernel_->forgotten(inodeOf(node));
  auto inode = known_->inodes.get(entry.attr.inode);
  inode->privilegesAsOf = std::max(inode->privilegesAsOf, changesHeard);
  if (mode.write && entry.attr.state != FileState::open) {
    // It is being written from now on; what else changed with that is asked for when somebody wants to know.
    inode->entry = entry;
    inode->entry.attr.state = FileState::open;
    inode->known = false;
    known_->changes.note(inode->id);
  }
  fuse_file_info answer = {};
  auto reads = mode.read && !mode.write && entry.attr.state != FileState::open ? file : nullptr;
  auto handle = openHandle(std::move(file), std::move(inode), flags, answer);
  fileAt(handle)->opener = request->pid();
  // The bytes of a small file are on their way while the kernel still hands out the descriptor.
  if (reads && !answer.keep_cache && entry.attr.size <= kFetchedAtOpen) reads->willRead(0, entry.attr.size);
  if (!request->opened(answer)) withdraw(handle);
}

Task<void> FileSystem::create(RequestPtr request, std::uint64_t parent, std::string name, std::uint32_t mode,
                              int flags) {
  CreateRequest wanted;
  wanted.parent = inodeOf(parent);
  wanted.name = std::move(name);
  wanted.mode = mode & 07777;
  wanted.umask = request->umask();
  wanted.uid = request->uid();
  wanted.gid = request->gid();
  wanted.exclusive = (flags & O_EXCL) != 0;
  auto directory = wanted.parent;
  auto made = co_await cluster_->create(std::move(wanted));
  noteOwnChangeIn(directory, made.created ? made.entry.attr.ctimeNs : 0);
  if (!made.created) {
    // Somebody was faster. The kernel looks again, finds it, checks its permissions, and opens it: a file here,
    // anything else by itself.
    if (made.entry.attr.type == FileType::regular) kernel_->looksAgain(made.entry.attr.inode, request->pid());
    request->error(errnoNameRace());
    co_return;
  }
  auto openMode = modeOf(wishOf(flags));
  auto file = co_await cluster_->open(made.entry, openMode);
  if (!openMode.write) runtime_.spawn("fuse.seal", sealMade(made.entry));
  auto inode = known_->inodes.remember(made.entry, runtime_.clock.now());
  inode->believed = false;
  known_->changes.note(inode->id);
  auto since = known_->changes.now();
  fuse_file_info answer = {};
  auto handle = openHandle(std::move(file), std::move(inode), flags, answer);
  fileAt(handle)->opener = fileAt(handle)->maker = request->pid();
  auto told = parameters(made.entry, since);
  // The kernel checks permissions once more before it hands the file out: one tick of its clock spares a question.
  told.attr_timeout = kJustMade;
  if (!request->created(told, answer)) withdraw(handle);
}

std::uint64_t FileSystem::openHandle(std::shared_ptr<File> file, InodePtr inode, int flags, fuse_file_info& answer) {
  auto wish = wishOf(flags);
  const bool readMoves = wish.read && atimes_->nextReadMoves(*inode);
  // The kernel knows where an empty file ends and would not ask.
  if (readMoves && inode->known && inode->entry.attr.size == 0) wish.direct = true;
  OpenSituation situation;
  situation.state = inode->entry.attr.state;
  situation.cachedHandles = inode->cachedHandles;
  situation.directWriters = inode->directWriters;
  situation.kernelMapsDirect = kernel_->mapsDirect();
  auto version = pageVersionOf(inode->entry.attr);
  situation.pagesAreCurrent = inode->known && inode->pages == version && !readMoves;
  auto mode = chooseIoMode(wish, situation);

  auto handle = std::make_shared<FileHandle>();
  handle->file = std::move(file);
  handle->inode = inode;
  handle->write = wish.write;
  handle->append = wish.append;
  handle->direct = mode.direct;
  handle->syncEach = (flags & (O_SYNC | O_DSYNC)) != 0;
  ++inode->handles;
  if (!mode.direct) ++inode->cachedHandles;
  if (mode.direct && wish.write) ++inode->directWriters;
  if (wish.write) {
    inode->pages.reset();
  } else if (!mode.direct) {
    inode->pages.reset();
    if (inode->known) inode->pages = version;
  }
  answer.fh = files_.add(std::move(handle));
  answer.direct_io = mode.direct ? 1 : 0;
  answer.keep_cache = mode.keepPages ? 1 : 0;
  // close(2) of any of its descriptors ends a process's fcntl locks on the file. Where nobody takes such locks we spare
  // ourselves a question per close.
  answer.noflush = mode.skipFlush && !rangeLocksUsed_ ? 1 : 0;
  if (answer.noflush != 0) {
    fileAt(answer.fh)->unheard = true;
    ++inode->unheard;
  }
  return answer.fh;
}

void FileSystem::withdraw(std::uint64_t handle) {
  if (auto file = files_.remove(handle)) closeInBackground(std::move(file));
}

// close(2): every byte on every replica, errors told.
Task<void> FileSystem::flush(RequestPtr request, std::uint64_t handle, std::uint64_t owner) {
  auto file = fileAt(handle);
  std::optional<Error> failure;
  try {
    const bool byMaker = file->maker != 0 && file->maker == request->pid();
    co_await flushBytes(file, byMaker);
  } catch (const Error& error) {
    failure = error;
  }
  forgetLocker(*file->inode, owner);
  // Whoever gets the lock next sees the bytes.
  if (cluster_->locked(file->inode->id, LockKind::range, owner)) {
    co_await cluster_->closeLocks(file->inode->id, LockKind::range, owner);
  }
  if (failure) throw *failure;
  request->done();
}

Task<void> FileSystem::flushBytes(std::shared_ptr<FileHandle> file, bool byMaker) {
  if (file->write) {
    // A small file that was just made is sealed along with its bytes when its maker closes it: RELEASE follows at once.
    // When it does not (the descriptor was duplicated), the next write opens the file again. A child that was forked
    // closes its copies when it runs a program; that is another process and says nothing.
    co_await file->file->flush(byMaker && file->file->unsent());
    file->inode->known = false;  // its size and times have moved on
  }
}

Task<void> FileSystem::release(RequestPtr request, std::uint64_t handle) {
  auto file = files_.remove(handle);
  // Nobody waits for this answer, but until it comes it takes one of the kernel's places for background requests.
  request->done();
  if (!file) co_return;
  if (!file->lockOwners.empty()) runtime_.spawn("fuse.unlock", unlockReleased(file));
  closeInBackground(std::move(file));
}

void FileSystem::closeInBackground(std::shared_ptr<FileHandle> handle) {
  auto& inode = *handle->inode;
  --inode.handles;
  if (handle->unheard) --inode.unheard;
  if (!handle->direct) --inode.cachedHandles;
  if (handle->direct && handle->write) --inode.directWriters;
  if (handle->write) {
    inode.known = false;
    known_->changes.note(inode.id);
  }
  runtime_.spawn("fuse.close", closeFile(std::move(handle)));
}

Task<void> FileSystem::closeFile(std::shared_ptr<FileHandle> handle) {
  auto self = shared_from_this();
  for (const auto& file : {handle->counterpart, handle->file}) {
    try {
      if (file) co_await file->close();
    } catch (const Error& error) {
      // The program was told by its close(); this is the last trace when it never called one.
      if (handle->write)
        log::warn("fuse.close_failed", {{"inode", log::hex(handle->inode->id)}, {"reason", error.what()}});
    }
  }
  if (handle->write) handle->inode->known = false;
}

Task<void> FileSystem::fsync(RequestPtr request, std::uint64_t handle) {
  auto file = fileAt(handle);
  co_await file->file->sync();
  request->done();
}

}  // namespace vcfs::fuse
