#include "fuse/session/dispatch.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cstring>

#include "fuse/errno_map.h"
#include "fuse/file_system.h"
#include "fuse/session/session.h"

namespace vcfs::fuse {

namespace {

constexpr std::size_t kLongestName = 255;

Session& sessionOf(fuse_req_t req) { return *static_cast<Session*>(fuse_req_userdata(req)); }

// A request on its way to its operation.
struct Call {
  explicit Call(fuse_req_t req, std::uint64_t bytes = 0)
      : session(sessionOf(req)), files(session.fileSystem()), request(session.makeRequest(req, bytes)) {}

  void start(Task<void> operation) { files.perform(request, std::move(operation)); }
  // False (and answered) when a name is longer than a name can be.
  bool fits(const char* name) {
    if (std::strlen(name) <= kLongestName) return true;
    request->error(toErrno(Errc::nameTooLong));
    return false;
  }

  Session& session;
  FileSystem& files;
  RequestPtr request;
};

void opInit(void* session, fuse_conn_info* connection) { static_cast<Session*>(session)->configure(connection); }

void opLookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  Call call(req);
  if (call.fits(name)) call.start(call.files.lookup(call.request, parent, name));
}

void opForget(fuse_req_t req, fuse_ino_t node, std::uint64_t) {
  sessionOf(req).fileSystem().forget(node);
  fuse_reply_none(req);
}

void opForgetMulti(fuse_req_t req, std::size_t count, fuse_forget_data* forgets) {
  for (std::size_t i = 0; i < count; ++i) sessionOf(req).fileSystem().forget(forgets[i].ino);
  fuse_reply_none(req);
}

void opGetattr(fuse_req_t req, fuse_ino_t node, fuse_file_info*) {
  Call call(req);
  call.start(call.files.getattr(call.request, node));
}

void opSetattr(fuse_req_t req, fuse_ino_t node, struct stat* attributes, int which, fuse_file_info* file) {
  Call call(req);
  call.start(call.files.setattr(call.request, node, *attributes, which, file != nullptr ? file->fh : 0));
}

void opReadlink(fuse_req_t req, fuse_ino_t node) {
  Call call(req);
  call.start(call.files.readlink(call.request, node));
}

void opMknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t rdev) {
  Call call(req);
  if (call.fits(name)) call.start(call.files.mknod(call.request, parent, name, mode, rdev));
}

void opMkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  Call call(req);
  if (call.fits(name)) call.start(call.files.mkdir(call.request, parent, name, mode));
}

void opUnlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  Call call(req);
  if (call.fits(name)) call.start(call.files.unlink(call.request, parent, name));
}

void opRmdir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  Call call(req);
  if (call.fits(name)) call.start(call.files.rmdir(call.request, parent, name));
}

void opSymlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  Call call(req);
  if (call.fits(name)) call.start(call.files.symlink(call.request, target, parent, name));
}

void opRename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t newParent, const char* newName,
              unsigned flags) {
  Call call(req);
  if (call.fits(name) && call.fits(newName)) {
    call.start(call.files.rename(call.request, parent, name, newParent, newName, flags));
  }
}

void opLink(fuse_req_t req, fuse_ino_t node, fuse_ino_t newParent, const char* newName) {
  Call call(req);
  if (call.fits(newName)) call.start(call.files.link(call.request, node, newParent, newName));
}

void opOpen(fuse_req_t req, fuse_ino_t node, fuse_file_info* file) {
  Call call(req);
  call.start(call.files.open(call.request, node, file->flags));
}

void opCreate(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* file) {
  Call call(req);
  if (call.fits(name)) call.start(call.files.create(call.request, parent, name, mode, file->flags));
}

void opRead(fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* file) {
  Call call(req, size);
  call.start(call.files.read(call.request, file->fh, static_cast<std::uint64_t>(offset), size, file->flags));
}

void opWrite(fuse_req_t req, fuse_ino_t, const char* data, std::size_t size, off_t offset, fuse_file_info* file) {
  Call call(req, size);
  call.start(call.files.write(call.request, file->fh, static_cast<std::uint64_t>(offset),
                              call.session.payload(data, size), file->writepage != 0, file->flags));
}

void opFlush(fuse_req_t req, fuse_ino_t, fuse_file_info* file) {
  Call call(req);
  call.start(call.files.flush(call.request, file->fh, file->lock_owner));
}

void opRelease(fuse_req_t req, fuse_ino_t, fuse_file_info* file) {
  Call call(req);
  call.start(call.files.release(call.request, file->fh));
}

void opFsync(fuse_req_t req, fuse_ino_t, int, fuse_file_info* file) {
  Call call(req);
  call.start(call.files.fsync(call.request, file->fh));
}

void opOpendir(fuse_req_t req, fuse_ino_t node, fuse_file_info* file) {
  Call call(req);
  call.start(call.files.opendir(call.request, node, file->flags));
}

void opReaddir(fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* file) {
  Call call(req);
  call.start(call.files.readdir(call.request, file->fh, static_cast<std::uint64_t>(offset), size, false));
}

void opReaddirplus(fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* file) {
  Call call(req);
  call.start(call.files.readdir(call.request, file->fh, static_cast<std::uint64_t>(offset), size, true));
}

void opReleasedir(fuse_req_t req, fuse_ino_t, fuse_file_info* file) {
  Call call(req);
  call.files.releasedir(file->fh);
  call.request->done();
}

void opFsyncdir(fuse_req_t req, fuse_ino_t node, int, fuse_file_info*) {
  Call call(req);
  call.start(call.files.fsyncdir(call.request, node));
}

void opStatfs(fuse_req_t req, fuse_ino_t node) {
  Call call(req);
  call.start(call.files.statfs(call.request, node == 0 ? FUSE_ROOT_ID : node));
}

void opSetxattr(fuse_req_t req, fuse_ino_t node, const char* name, const char* value, std::size_t size, int flags) {
  Call call(req);
  call.start(call.files.setxattr(call.request, node, name, std::string(value, size), flags));
}

void opGetxattr(fuse_req_t req, fuse_ino_t node, const char* name, std::size_t size) {
  Call call(req);
  call.start(call.files.getxattr(call.request, node, name, size));
}

void opListxattr(fuse_req_t req, fuse_ino_t node, std::size_t size) {
  Call call(req);
  call.start(call.files.listxattr(call.request, node, size));
}

void opRemovexattr(fuse_req_t req, fuse_ino_t node, const char* name) {
  Call call(req);
  call.start(call.files.removexattr(call.request, node, name));
}

void opFallocate(fuse_req_t req, fuse_ino_t, int mode, off_t offset, off_t length, fuse_file_info* file) {
  Call call(req);
  call.start(call.files.fallocate(call.request, file->fh, mode, static_cast<std::uint64_t>(offset),
                                  static_cast<std::uint64_t>(length)));
}

void opCopyFileRange(fuse_req_t req, fuse_ino_t, off_t fromOffset, fuse_file_info* from, fuse_ino_t, off_t offset,
                     fuse_file_info* file, std::size_t length, int) {
  Call call(req);
  call.start(call.files.copy(call.request, from->fh, static_cast<std::uint64_t>(fromOffset), file->fh,
                             static_cast<std::uint64_t>(offset), length));
}

void opLseek(fuse_req_t req, fuse_ino_t, off_t offset, int whence, fuse_file_info* file) {
  Call call(req);
  if (whence != SEEK_DATA && whence != SEEK_HOLE) {
    call.request->error(toErrno(Errc::invalid));
    return;
  }
  call.start(call.files.seek(call.request, file->fh, static_cast<std::uint64_t>(offset), whence == SEEK_HOLE));
}

void opIoctl(fuse_req_t req, fuse_ino_t, unsigned, void*, fuse_file_info*, unsigned, const void*, std::size_t,
             std::size_t) {
  Call call(req);
  call.request->error(errnoNoControl());
}

LockType lockTypeOf(int type) {
  if (type == F_RDLCK) return LockType::shared;
  return type == F_WRLCK ? LockType::exclusive : LockType::none;
}

FileLock rangeLockOf(const struct flock& wanted, std::uint64_t owner) {
  FileLock lock;
  lock.kind = LockKind::range;
  lock.type = lockTypeOf(wanted.l_type);
  lock.start = static_cast<std::uint64_t>(wanted.l_start);
  lock.end = wanted.l_len == 0 ? kLockToEnd : lock.start + static_cast<std::uint64_t>(wanted.l_len) - 1;
  lock.owner = owner;
  lock.pid = static_cast<std::uint32_t>(wanted.l_pid);
  return lock;
}

void opGetlk(fuse_req_t req, fuse_ino_t node, fuse_file_info* file, struct flock* wanted) {
  Call call(req);
  call.start(call.files.getlk(call.request, node, rangeLockOf(*wanted, file->lock_owner)));
}

void opSetlk(fuse_req_t req, fuse_ino_t node, fuse_file_info* file, struct flock* wanted, int sleep) {
  Call call(req);
  auto lock = rangeLockOf(*wanted, file->lock_owner);
  call.start(call.files.setlk(call.request, node, file->fh, lock, sleep != 0));
}

void opFlock(fuse_req_t req, fuse_ino_t node, fuse_file_info* file, int op) {
  Call call(req);
  FileLock lock;
  lock.kind = LockKind::flock;
  if ((op & LOCK_SH) != 0) lock.type = LockType::shared;
  if ((op & LOCK_EX) != 0) lock.type = LockType::exclusive;
  lock.owner = file->lock_owner;
  lock.pid = static_cast<std::uint32_t>(call.request->pid());
  call.start(call.files.setlk(call.request, node, file->fh, lock, (op & LOCK_NB) == 0));
}

fuse_lowlevel_ops makeTable() {
  fuse_lowlevel_ops ops = {};
  ops.init = opInit;
  ops.lookup = opLookup;
  ops.forget = opForget;
  ops.forget_multi = opForgetMulti;
  ops.getattr = opGetattr;
  ops.setattr = opSetattr;
  ops.readlink = opReadlink;
  ops.mknod = opMknod;
  ops.mkdir = opMkdir;
  ops.unlink = opUnlink;
  ops.rmdir = opRmdir;
  ops.symlink = opSymlink;
  ops.rename = opRename;
  ops.link = opLink;
  ops.open = opOpen;
  ops.create = opCreate;
  ops.read = opRead;
  ops.write = opWrite;
  ops.flush = opFlush;
  ops.release = opRelease;
  ops.fsync = opFsync;
  ops.opendir = opOpendir;
  ops.readdir = opReaddir;
  ops.readdirplus = opReaddirplus;
  ops.releasedir = opReleasedir;
  ops.fsyncdir = opFsyncdir;
  ops.statfs = opStatfs;
  ops.setxattr = opSetxattr;
  ops.getxattr = opGetxattr;
  ops.listxattr = opListxattr;
  ops.removexattr = opRemovexattr;
  ops.fallocate = opFallocate;
  ops.lseek = opLseek;
  ops.ioctl = opIoctl;
  ops.copy_file_range = opCopyFileRange;
  ops.getlk = opGetlk;
  ops.setlk = opSetlk;
  ops.flock = opFlock;
  // Left out on purpose: access (default_permissions: the kernel checks), bmap, poll, tmpfile. See docs/semantics.md.
  return ops;
}

}  // namespace

const fuse_lowlevel_ops& operations() {
  static const fuse_lowlevel_ops table = makeTable();
  return table;
}

}  // namespace vcfs::fuse
