#include "fuse/convert.h"

#include <limits>

namespace vcfs::fuse {

namespace {
constexpr std::int64_t kSecond = 1'000'000'000;

timespec toTimespec(std::int64_t ns) {
  auto seconds = ns / kSecond;
  auto rest = ns % kSecond;
  if (rest < 0) {
    rest += kSecond;
    --seconds;
  }
  return {static_cast<time_t>(seconds), static_cast<long>(rest)};
}
}  // namespace

std::uint32_t modeBits(FileType type) {
  switch (type) {
    case FileType::directory:
      return S_IFDIR;
    case FileType::symlink:
      return S_IFLNK;
    case FileType::fifo:
      return S_IFIFO;
    case FileType::socket:
      return S_IFSOCK;
    case FileType::blockDevice:
      return S_IFBLK;
    case FileType::charDevice:
      return S_IFCHR;
    case FileType::regular:
    case FileType::none:
      return S_IFREG;
  }
  return S_IFREG;
}

FileType fileTypeOf(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return FileType::directory;
    case S_IFLNK:
      return FileType::symlink;
    case S_IFIFO:
      return FileType::fifo;
    case S_IFSOCK:
      return FileType::socket;
    case S_IFBLK:
      return FileType::blockDevice;
    case S_IFCHR:
      return FileType::charDevice;
    case S_IFREG:
    case 0:
      return FileType::regular;
    default:
      return FileType::none;
  }
}

double toSeconds(std::chrono::milliseconds time) { return std::chrono::duration<double>(time).count(); }

struct stat toStat(const Attr& attr) {
  struct stat s = {};
  s.st_ino = attr.inode;
  s.st_mode = modeBits(attr.type) | (attr.mode & 07777);
  s.st_nlink = attr.nlink;
  s.st_uid = attr.uid;
  s.st_gid = attr.gid;
  s.st_rdev = attr.rdev;
  s.st_size = static_cast<off_t>(attr.size);
  s.st_blksize = 4096;  // stdio buffers this much: more would hold a recording back from its followers
  // 0 means "not known yet": du and cp must not take a full file for an empty or sparse one. Of a sealed file it is
  // known, but the few bytes of a small one may stand where no block is counted, and tar takes a file without for a
  // hole.
  const bool sealed = attr.state == FileState::closed || attr.state == FileState::recovered;
  const bool unknown = attr.blocks == 0 && attr.type == FileType::regular && (!sealed || attr.size <= 512);
  s.st_blocks = static_cast<blkcnt_t>(unknown ? (attr.size + 511) / 512 : attr.blocks);
  if (attr.type == FileType::directory) {  // as that of a local disk; some programs take 0 for something unusual
    s.st_size = 4096;
    s.st_blocks = 8;
  }
  s.st_atim = toTimespec(attr.atimeNs);
  s.st_mtim = toTimespec(attr.mtimeNs);
  s.st_ctim = toTimespec(attr.ctimeNs);
  return s;
}

// What 64 bits of nanoseconds cannot say (before 1677, after 2262) becomes the nearest that they can.
std::int64_t toNs(const timespec& time) {
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max() / kSecond;
  if (time.tv_sec >= kLast) return kLast * kSecond;
  if (time.tv_sec <= -kLast) return -kLast * kSecond;
  return static_cast<std::int64_t>(time.tv_sec) * kSecond + time.tv_nsec;
}

std::uint32_t withoutPrivileges(std::uint32_t mode, bool inGroup) {
  mode &= ~static_cast<std::uint32_t>(S_ISUID);
  if ((mode & S_IXGRP) != 0 || !inGroup) mode &= ~static_cast<std::uint32_t>(S_ISGID);
  return mode;
}

bool privilegesDependOnGroup(std::uint32_t mode) { return (mode & (S_ISGID | S_IXGRP)) == S_ISGID; }

}  // namespace vcfs::fuse
