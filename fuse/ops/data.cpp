// Bytes: read, write, fallocate, lseek.

#include <fcntl.h>

#include "fuse/errno_map.h"
#include "fuse/file_system.h"
#include "vcfs/file_capability.h"

namespace vcfs::fuse {

namespace {

// A READ through the page cache, for as long as the kernel may still be filling pages from it.
class CachedRead {
 public:
  explicit CachedRead(InodePtr inode) : inode_(std::move(inode)) {}
  CachedRead(const CachedRead&) = delete;
  CachedRead& operator=(const CachedRead&) = delete;
  ~CachedRead() { inode_->gate.endRead(); }

 private:
  InodePtr inode_;
};

constexpr std::size_t kZeroCopyFrom = 256u << 10;  // what File::write takes without a copy
constexpr std::uint64_t kMaxFileSize = 0x7fffffff0000;

}  // namespace

Task<void> FileSystem::read(RequestPtr request, std::uint64_t handle, std::uint64_t offset, std::size_t size,
                            int flags) {
  auto file = fileAt(handle);
  if (file->direct) {
    auto pieces = co_await file->file->read(offset, size);
    atimes_->noteRead(*file->inode, flags);
    request->pieces(pieces, size);
    co_return;
  }
  co_await file->inode->gate.beginRead();
  CachedRead reading(file->inode);
  auto pieces = co_await file->file->read(offset, size);
  atimes_->noteRead(*file->inode, flags);
  request->pieces(pieces, size);
}

Task<std::shared_ptr<File>> FileSystem::counterpartOf(std::shared_ptr<FileHandle> handle) {
  if (handle->counterpart) co_return handle->counterpart;
  auto entry = co_await known_->fresh(handle->inode->id);
  OpenMode mode;
  mode.write = true;
  mode.append = !handle->append;
  auto file = co_await cluster_->open(std::move(entry), mode);
  if (!handle->counterpart) handle->counterpart = std::move(file);
  co_return handle->counterpart;
}

Task<void> FileSystem::write(RequestPtr request, std::uint64_t handle, std::uint64_t offset, Piece payload,
                             bool fromPages, int flags) {
  auto file = fileAt(handle);
  auto size = payload.data.size();
  if (offset > kMaxFileSize || size > kMaxFileSize - offset) throw Error(Errc::tooLarge);
  co_await endPrivileges(request, file->inode, request->origin().dropPrivileges);
  std::shared_ptr<const void> owner;
  if (size >= kZeroCopyFrom) owner = payload.owner;
  auto target = file->file;
  const bool append = !fromPages && (flags & O_APPEND) != 0;
  if (append != file->append) target = co_await counterpartOf(file);
  file->inode->changedHere = true;
  co_await target->write(offset, payload.data, std::move(owner));
  grewInKernel(*file->inode, offset + size);
  const bool durable = file->syncEach || (flags & (O_SYNC | O_DSYNC)) != 0;  // pwritev2(RWF_DSYNC) too
  if (durable) co_await file->file->sync();
  if (file->direct && file->inode->gate.busy()) {
    co_await file->inode->gate.beforeTelling(offset + size);
  } else {
    file->inode->gate.grewTo(offset + size);
  }
  request->written(size);
}

Task<void> FileSystem::fallocate(RequestPtr request, std::uint64_t handle, int mode, std::uint64_t offset,
                                 std::uint64_t length) {
  auto file = fileAt(handle);
  if (offset > kMaxFileSize || length > kMaxFileSize - offset) throw Error(Errc::tooLarge);
  co_await endPrivileges(request, file->inode, request->uid() != 0);
  co_await file->file->allocate(offset, length, static_cast<std::uint32_t>(mode));
  file->inode->changedHere = true;
  file->inode->pages.reset();
  known_->changes.note(file->inode->id);
  if ((mode & FALLOC_FL_KEEP_SIZE) == 0) grewInKernel(*file->inode, offset + length);
  request->done();
}

Task<void> FileSystem::copy(RequestPtr request, std::uint64_t fromHandle, std::uint64_t fromOffset,
                            std::uint64_t handle, std::uint64_t offset, std::uint64_t length) {
  auto from = fileAt(fromHandle);
  auto file = fileAt(handle);
  if (offset > kMaxFileSize || length > kMaxFileSize - offset) throw Error(Errc::tooLarge);
  co_await endPrivileges(request, file->inode, request->uid() != 0);
  known_->changes.note(file->inode->id);
  auto target = file->file;
  if (file->append) target = co_await counterpartOf(file);  // it does not append any more, else we were not asked
  auto copied = co_await target->copyFrom(from->file, fromOffset, offset, length);
  if (file->syncEach) co_await file->file->sync();
  file->inode->pages.reset();
  file->inode->known = false;
  const auto before = from->inode->entry.attr.atimeNs;
  atimes_->noteRead(*from->inode);
  if (from->inode->entry.attr.atimeNs != before) {
    // The kernel knows that a read moves atime, but not of this one.
    kernel_->dropAttributes(from->inode->id);
    co_await kernel_->forgotten(from->inode->id);
  }
  file->inode->changedHere = true;
  known_->changes.note(file->inode->id);
  if (copied != 0) co_await file->inode->gate.beforeTelling(offset + copied);
  if (copied != 0) grewInKernel(*file->inode, offset + copied);
  request->written(copied);
}

Task<void> FileSystem::seek(RequestPtr request, std::uint64_t handle, std::uint64_t offset, bool hole) {
  auto file = fileAt(handle);
  if (offset > kMaxFileSize) {
    request->error(errnoNoSuchPlace());
    co_return;
  }
  std::uint64_t found = 0;
  try {
    found = co_await file->file->seek(offset, hole);
  } catch (const Error& error) {
    request->error(error.code() == Errc::noAttribute ? errnoNoSuchPlace() : toErrno(error.code()));
    co_return;
  }
  request->place(found);
}

}  // namespace vcfs::fuse
