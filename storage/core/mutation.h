#pragma once

#include <algorithm>
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

// What a writer tells of the time of a change (schema/storage.capnp, Writer); 0: not told.
struct WriterTime {
  std::int64_t writtenNs = 0;  // of its clock when the program made the change
  std::int64_t sentNs = 0;     // of the same clock when it was sent
};

// Clocks that are farther apart than this are not of one time: a file that a host writes would be older than what
// others see happen.
inline constexpr std::int64_t kClocksApartNs = 1'000'000'000;

// The mtime of a file of mtime `presentNs` after a change that its primary executes at `nowNs`. It is the writer's, so
// that the writing host could tell it before the bytes were here, unless this server's clock calls it the future or the
// writer's clock is far behind. Every change raises it: by the mtime contents are told apart (a strong ETag).
inline std::int64_t mtimeAfter(std::int64_t presentNs, WriterTime told, std::int64_t nowNs) {
  const std::int64_t clock = std::max(told.writtenNs, told.sentNs);
  const bool agrees = told.writtenNs <= nowNs && clock >= nowNs - kClocksApartNs;
  if (agrees && told.writtenNs > presentNs) return told.writtenNs;
  return std::max(nowNs, presentNs == INT64_MAX ? presentNs : presentNs + 1);
}

// One change of one file, as it is executed by every replica in the primary's order.
struct Mutation {
  // clients, left: nothing on the disk, but what other replicas are to know (schema/storage.capnp, ReplicaOp).
  enum class Kind : std::uint8_t { write, truncate, allocate, sync, seal, open, clients, left };

  Kind kind = Kind::write;
  ClientId client = 0;
  std::uint64_t sequence = 0;
  std::uint64_t first = 0;          // write: Writer.first of its client
  std::uint64_t offset = 0;         // write, allocate
  std::uint64_t size = 0;           // truncate: the new size; allocate: the length; what seals: the final size
  std::uint32_t mode = 0;           // allocate
  std::span<const std::byte> data;  // write: valid until the mutation is done
  bool thenSync = false;            // write: with an fdatasync behind it
  bool thenSeal = false;            // write: the last one
  FileState sealAs = FileState::closed;
  WriterTime told;           // what changes bytes: from its client
  std::int64_t mtimeNs = 0;  // what changes bytes: the file's then, on every replica; seal: of the last; 0: not told

  bool seals() const { return kind == Kind::seal || thenSeal; }
  bool syncs() const { return kind == Kind::sync || thenSync; }
  bool changesBytes() const { return kind == Kind::write || kind == Kind::truncate || kind == Kind::allocate; }
  bool opens() const { return changesBytes() || kind == Kind::open; }
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
