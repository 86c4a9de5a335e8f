#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/ids.h"
#include "common/runtime/task.h"

// The values of the client library. schema/types.capnp says what each field means.
namespace vcfs {

enum class FileType : std::uint8_t { none, regular, directory, symlink, fifo, socket, blockDevice, charDevice };
enum class FileState : std::uint8_t { none, open, closed, recovered, lost };
enum class ReplicaState : std::uint8_t { inSync, syncing, stale };

struct Attr {
  InodeId inode = 0;
  FileType type = FileType::none;
  std::uint32_t mode = 0;  // permission bits only (07777)
  std::uint32_t nlink = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t size = 0;
  std::uint64_t blocks = 0;  // 512-byte units
  std::int64_t atimeNs = 0;
  std::int64_t mtimeNs = 0;
  std::int64_t ctimeNs = 0;
  std::uint64_t rdev = 0;
  FileState state = FileState::none;
  Epoch epoch = 0;
  std::uint64_t changeId = 0;
  std::uint8_t acl = 0;  // POSIX ACLs it has: kHasAccessAcl, kHasDefaultAcl; kNoXattrs: certainly no attribute at all
};
inline constexpr std::uint8_t kHasAccessAcl = 1;
inline constexpr std::uint8_t kHasDefaultAcl = 2;
inline constexpr std::uint8_t kNoXattrs = 8;  // 4: kHasCapability of file_capability.h

struct Replica {
  StorageId storage = 0;
  ReplicaState state = ReplicaState::inSync;
  std::string address;
};

struct Layout {
  InodeId inode = 0;
  Epoch epoch = 0;
  std::vector<Replica> replicas;
  std::string user;
  std::string name;
  const Replica* primary() const;  // first in-sync replica; null when there is none
};

struct Entry {
  Attr attr;
  Layout layout;  // regular files only
};

struct DirEntry {
  std::string name;
  std::uint64_t cookie = 0;
  Entry entry;
};

struct DirPage {
  std::vector<DirEntry> entries;
  bool more = false;
};

// Fields to change; the ones without a value stay.
struct AttrChange {
  std::optional<std::uint32_t> mode, uid, gid;
  std::optional<std::int64_t> atimeNs, mtimeNs, ctimeNs;
  bool atimeNow = false;
  bool mtimeNow = false;
};

// Something was read here, which moves its atime. schema/tracker.capnp (noteReads) says when.
struct ReadTime {
  InodeId inode = 0;
  std::optional<std::int64_t> oldNs;  // the atime that it replaces, if it is known
  std::int64_t newNs = 0;
};

struct SpaceInfo {
  std::uint64_t totalBytes = 0;  // usable: already divided by the number of copies
  std::uint64_t freeBytes = 0;   // what was deleted, too, unless somebody has it open
  std::uint64_t files = 0;
};

struct Growth {
  std::uint64_t size = 0;  // published
  FileState state = FileState::none;
};

// A piece of what was read. `data` lives as long as `owner`.
struct Piece {
  std::span<const std::byte> data;
  std::shared_ptr<const void> owner;
};

enum class LockKind : std::uint8_t { flock, range };
enum class LockType : std::uint8_t { none, shared, exclusive };
inline constexpr std::uint64_t kLockToEnd = 0x7fffffffffffffff;  // the end of a lock that has none

// An advisory lock of flock(2) or fcntl(2). schema/types.capnp says what each field means.
struct FileLock {
  LockKind kind = LockKind::range;
  LockType type = LockType::none;
  std::uint64_t start = 0;
  std::uint64_t end = kLockToEnd;  // last byte
  ClientId client = 0;
  std::uint64_t owner = 0;
  std::uint32_t pid = 0;
  friend bool operator==(const FileLock&, const FileLock&) = default;
};

// What somebody else changed; drop what you cached about it.
struct Change {
  InodeId inode = 0;   // its attributes, layout, links or data; 0: none
  InodeId parent = 0;  // with `name`: this entry of this directory; 0: none
  std::string name;
  bool unlinked = false;
  bool data = false;        // bytes changed other than by appending
  bool locks = false;       // nothing but: a lock of `inode` was given up
  bool times = false;       // nothing but: its atime moved as somebody read it
  bool layout = false;      // nothing but: it has another layout
  bool everything = false;  // the connection to the trackers was lost meanwhile: anything may have changed
};

}  // namespace vcfs
