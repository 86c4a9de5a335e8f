#pragma once

#include <cstdint>

namespace vcfs::idserver {

// Ids that belong together: first … first+count-1.
struct IdRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::uint64_t end() const { return first + count; }
};

inline constexpr std::uint64_t kFirstId = 1024;                     // below it: fixed inodes (1 is the root)
inline constexpr std::uint64_t kEndOfIds = std::uint64_t{1} << 62;  // exclusive
inline constexpr std::uint32_t kMaxLease = 1'000'000;               // ids in one lease

// Where the end of everything ever handed out is remembered. Calls may block; they are made on one BlockingPool, one
// at a time. Implementations: FileStore (one directory of this machine); CatalogStore (a table that several
// servers share), for which a range is asked for and not an end written.
class RangeStore {
 public:
  virtual ~RangeStore() = default;

  // `count` ids (1 …) that no call of any process ever returned and never will, whatever dies afterwards: on stable
  // storage when this returns. Throws Error: io (the disk said no), noSpace (all ids are used), unavailable.
  // After an Error the store can be asked again; ids of the failed call may be lost, never repeated.
  virtual IdRange reserve(std::uint64_t count) = 0;
};

}  // namespace vcfs::idserver
