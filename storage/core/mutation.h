#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/base/error.h"
#include "vcfs/types.h"

namespace vcfs::storage {

// What a disk refuses without having failed: it has no room, or cannot do this at all. Others are probably no
// different, and what is there is as good as before.
inline bool refusedByDisk(Errc code) {
  switch (code) {
    case Errc::noSpace:
    case Errc::quotaExceeded:
    case Errc::tooLarge:
    case Errc::notSupported:
    case Errc::invalid:
      return true;
    default:
      return false;
  }
}

// One change of one file, as it is executed by every replica in the primary's order.
struct Mutation {
  // clients, left: nothing on the disk, but what other replicas are to know (schema/storage.capnp, ReplicaOp).
  enum class Kind : std::uint8_t { write, truncate, allocate, sync, seal, open, clients, left };

  Kind kind = Kind::write;
  ClientId client = 0;
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;         // write, allocate
  std::uint64_t size = 0;           // truncate: the new size; allocate: the length; seal: the final size
  std::uint32_t mode = 0;           // allocate
  std::span<const std::byte> data;  // write: valid until the mutation is done
  bool thenSync = false;            // write: with an fdatasync behind it
  bool thenSeal = false;            // write: the last one; seals with its end as size
  FileState sealAs = FileState::closed;
  std::int64_t mtimeNs = 0;  // seal: of the last write; 0: not told

  bool seals() const { return kind == Kind::seal || thenSeal; }
  bool syncs() const { return kind == Kind::sync || thenSync; }
  bool changesBytes() const { return kind == Kind::write || kind == Kind::truncate || kind == Kind::allocate; }
  // The file's size after this mutation of a file of `before` bytes.
  std::uint64_t sizeAfter(std::uint64_t before) const {
    switch (kind) {
      case Kind::write:
        return std::max<std::uint64_t>(before, data.empty() ? 0 : offset + data.size());
      case Kind::truncate:
        return size;
      case Kind::allocate:
        return (mode & 1u) != 0 ? before : std::max(before, offset + size);
      default:
        return before;
    }
  }
};

}  // namespace vcfs::storage
