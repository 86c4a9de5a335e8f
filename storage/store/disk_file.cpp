#include "storage/store/disk_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>

#include "storage/store/meta.h"

namespace vcfs::storage {

namespace {

// So far behind a copy its pages leave the machine's memory, if they are on the disk by then; looked at so often.
constexpr std::uint64_t kDropBehind = 16u << 20;
constexpr std::uint64_t kDropStep = 2u << 20;
// One call's bytes. A longer write makes the kernel take its pages from memory in one piece (large folios), for which
// it moves pages and throws others out of the page cache where memory is full of cache, as on every server that runs
// for long: 1 MiB at a time cost 1.6 times the processor. And a kernel that takes no processor away from a call in it
// (PREEMPT_NONE) gives it to others between two calls.
constexpr std::size_t kStep = 64u << 10;

}  // namespace

Error DiskFile::failure(const char* doing, int error) const {
  return Error(fromErrno(error), fmt::format("cannot {} {}: {}", doing, replicaPath(inode_), std::strerror(error)));
}

std::shared_ptr<Fd> DiskFile::open() {
  if (auto fd = store_.descriptors_.get(slot_)) return fd;
  const int raw = ::openat(store_.directory_.fd(), replicaPath(inode_).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (raw < 0) throw failure("open", errno);
  auto fd = std::make_shared<Fd>(raw);
  store_.descriptors_.put(slot_, fd);
  return fd;
}

std::shared_ptr<Fd> DiskFile::make() {
  const int root = store_.directory_.fd();
  const std::string path = replicaPath(inode_);
  constexpr int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
  int raw = ::openat(root, path.c_str(), flags, 0644);
  if (raw < 0 && errno == ENOENT) {
    ::mkdirat(root, path.substr(0, 2).c_str(), 0755);
    ::mkdirat(root, path.substr(0, 5).c_str(), 0755);
    raw = ::openat(root, path.c_str(), flags, 0644);
  }
  if (raw < 0) throw failure("create", errno);
  auto fd = std::make_shared<Fd>(raw);
  store_.descriptors_.put(slot_, fd);
  return fd;
}

void DiskFile::create(const ReplicaMeta& meta, const std::string& user, const std::string& name) {
  auto fd = store_.descriptors_.get(slot_);
  if (!fd) {
    if (store_.options_.reserveBytes != 0 && store_.space().freeBytes == 0) {
      throw Error(Errc::noSpace, "the disk is down to its reserve: no new files");
    }
    store_.active_.add(inode_);
    fd = make();
  }
  describe(*fd, formatMeta(meta, user, name), meta);
}

void DiskFile::describe(const Fd& file, const std::string& text, const ReplicaMeta& meta) {
  if (::fsetxattr(file.get(), kAttribute, text.data(), text.size(), 0) == 0) return;
  // User and path are for people and for rebuilding the catalog; a recording is not refused, or left open, because they
  // do not fit. What is longer than the inode has room for takes a block of its own, which a full disk has not.
  const std::string needed = formatMeta(meta);
  if (::fsetxattr(file.get(), kAttribute, needed.data(), needed.size(), 0) != 0) throw failure("describe", errno);
}

void DiskFile::writeMeta(const ReplicaMeta& meta) {
  auto fd = open();
  char old[kAttributeBytes];
  const ssize_t length = ::fgetxattr(fd->get(), kAttribute, old, sizeof old);
  const std::string text = updateMeta(std::string(old, static_cast<std::size_t>(std::max<ssize_t>(length, 0))), meta);
  describe(*fd, text, meta);
}

void DiskFile::pwrite(std::span<const std::byte> data, std::uint64_t offset) { writeTo(*open(), data, offset); }

void DiskFile::writeTo(const Fd& file, std::span<const std::byte> data, std::uint64_t offset) {
  const int fd = file.get();
  // Where the file ended cannot be told any more once the kernel has taken the first part.
  struct stat before {};
  if (::fstat(fd, &before) != 0) throw failure("stat", errno);
  std::size_t done = 0;
  while (done < data.size()) {
    const std::size_t step = std::min(kStep, data.size() - done);
    const ssize_t n = ::pwrite(fd, data.data() + done, step, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int error = n < 0 ? errno : ENOSPC;
      // What was added past the old end goes away again, and nothing else: the size must not tell of bytes that are not
      // there, and what was there before was acknowledged.
      const bool longer = offset + done > static_cast<std::uint64_t>(before.st_size);
      if (done != 0 && longer && ::ftruncate(fd, before.st_size) != 0) throw failure("take back a write to", EIO);
      throw failure("write", error);
    }
    done += static_cast<std::size_t>(n);
  }
  startWriteback(fd, offset, data.size());
}

// RWF_DONTCACHE would do the same with less asking; the first kernels that have it have had faults with it.
void DiskFile::pwriteUncached(std::span<const std::byte> data, std::uint64_t offset) {
  auto fd = open();
  writeTo(*fd, data, offset);
  const std::uint64_t end = offset + data.size();
  if (offset / kDropStep == end / kDropStep) return;
  const std::uint64_t begin = (offset / kDropStep) * kDropStep;
  ::sync_file_range(fd->get(), static_cast<off_t>(begin), static_cast<off_t>(end - begin), SYNC_FILE_RANGE_WRITE);
  // From the beginning: what was not on the disk yet when it was asked for last stayed.
  if (end > kDropBehind) ::posix_fadvise(fd->get(), 0, static_cast<off_t>(end - kDropBehind), POSIX_FADV_DONTNEED);
}

// Hands dirty pages to the disk while the recording goes on, so that an fsync at the end finds little to do and the
// machine's memory does not fill with dirty pages. Asynchronous; the call itself only queues.
void DiskFile::startWriteback(int fd, std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t limit = store_.options_.writebackBytes;
  if (limit == 0 || unstarted_.fetch_add(length, std::memory_order_relaxed) + length < limit) return;
  const std::uint64_t span = unstarted_.exchange(0, std::memory_order_relaxed);
  const std::uint64_t end = offset + length;
  ::sync_file_range(fd, static_cast<off_t>(end > span ? end - span : 0), static_cast<off_t>(span),
                    SYNC_FILE_RANGE_WRITE);
}

std::size_t DiskFile::pread(std::span<std::byte> into, std::uint64_t offset) { return readFrom(*open(), into, offset); }

std::size_t DiskFile::preadInSteps(std::span<std::byte> into, std::uint64_t offset) {
  auto fd = open();
  std::size_t done = 0;
  while (done < into.size()) {
    const std::span<std::byte> step = into.subspan(done, std::min(kStep, into.size() - done));
    const std::size_t n = readFrom(*fd, step, offset + done);
    done += n;
    if (n < step.size()) break;
  }
  return done;
}

std::size_t DiskFile::readFrom(const Fd& file, std::span<std::byte> into, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t n = ::pread(file.get(), into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw failure("read", errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

// Opens without asking the disk: only when the kernel has the path in its cache. Null when it has not.
std::shared_ptr<Fd> DiskFile::openCached() {
  if (auto fd = store_.descriptors_.get(slot_)) return fd;
  open_how how = {};
  how.flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
  how.resolve = RESOLVE_CACHED;
  const long raw = ::syscall(SYS_openat2, store_.directory_.fd(), replicaPath(inode_).c_str(), &how, sizeof how);
  if (raw < 0) return nullptr;
  auto fd = std::make_shared<Fd>(static_cast<int>(raw));
  store_.descriptors_.put(slot_, fd);
  return fd;
}

std::optional<std::size_t> DiskFile::tryPread(std::span<std::byte> into, std::uint64_t offset) {
  auto fd = openCached();
  if (!fd) return std::nullopt;
  iovec part{into.data(), into.size()};
  const ssize_t n = ::preadv2(fd->get(), &part, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  // A short answer may be the end of the file or the end of what is cached; only a full one is certain.
  if (n != static_cast<ssize_t>(into.size())) return std::nullopt;
  return into.size();
}

void DiskFile::sync() {
  auto fd = open();
  if (::fdatasync(fd->get()) != 0) throw failure("sync", errno);
}

void DiskFile::dropCache() {
  auto fd = open();
  // Pages that could not be written count as clean: they go away with the others, and reads find out what is there.
  if (const int error = ::posix_fadvise(fd->get(), 0, 0, POSIX_FADV_DONTNEED); error != 0) {
    throw failure("drop from memory", error);
  }
}

void DiskFile::truncate(std::uint64_t size) {
  auto fd = open();
  if (::ftruncate(fd->get(), static_cast<off_t>(size)) != 0) throw failure("truncate", errno);
}

void DiskFile::allocate(std::uint64_t offset, std::uint64_t length, std::uint32_t mode) {
  auto fd = open();
  struct stat before {};
  if (::fstat(fd->get(), &before) != 0) throw failure("stat", errno);
  if (::fallocate(fd->get(), static_cast<int>(mode), static_cast<off_t>(offset), static_cast<off_t>(length)) == 0)
    return;
  const int error = errno;
  // ext4 makes the file longer as it goes, until there is no room: what was added goes away again.
  struct stat now {};
  const bool known = ::fstat(fd->get(), &now) == 0;
  const bool longer = !known || now.st_size > before.st_size;
  if (longer && ::ftruncate(fd->get(), before.st_size) != 0) throw failure("take back an allocation of", EIO);
  throw failure("allocate", error);
}

std::optional<std::uint64_t> DiskFile::seek(std::uint64_t offset, bool hole) {
  auto fd = open();
  const off_t result = ::lseek(fd->get(), static_cast<off_t>(offset), hole ? SEEK_HOLE : SEEK_DATA);
  if (result >= 0) return static_cast<std::uint64_t>(result);
  if (errno == ENXIO) return std::nullopt;
  throw failure("seek in", errno);
}

FileStat DiskFile::stat() {
  auto fd = open();
  struct stat now {};
  if (::fstat(fd->get(), &now) != 0) throw failure("stat", errno);
  return FileStat{static_cast<std::uint64_t>(now.st_size), static_cast<std::uint64_t>(now.st_blocks),
                  now.st_mtim.tv_sec * 1'000'000'000LL + now.st_mtim.tv_nsec};
}

}  // namespace vcfs::storage
