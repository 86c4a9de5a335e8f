#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "common/base/ids.h"
#include "common/runtime/clock.h"

namespace vcfs::fuse {

// Which directories' listings the kernel may use again, so that one that is listed a second time (ls -l, find, rsync)
// costs no request per entry. It may while the directory's ctime, which every change in it moves, is what it was before
// the listing was read. Without I/O. Bounded: forgets all when it is full, which costs requests only.
class KeptListings {
 public:
  static constexpr std::uint32_t kLostNames = 256;

  explicit KeptListings(std::size_t capacity = 16'384) : capacity_(capacity) {}

  // The kernel reads the directory from its start and keeps what it reads. `ctimeNs`: the directory's from before; 0:
  // not known, so that this listing will not be used again, but the next may. It counts until `until`: half of the time
  // for which the names and attributes that it brings are believed, so that who reads it has time to look at them.
  void began(InodeId directory, std::int64_t ctimeNs, TimePoint until);
  // Whether to ask for the directory's ctime when it is opened.
  bool worthAsking(InodeId directory, TimePoint now) const;
  // The directory is opened; its ctime is this now. Whether the kernel may use what it kept.
  bool holds(InodeId directory, std::int64_t ctimeNs) const;
  // A name in it, which a listing tells of, was asked for alone. After so many the kernel has forgotten the names
  // themselves: to list it anew is cheaper than to ask for each.
  void askedFor(InodeId directory);
  // True when it was there.
  bool forget(InodeId directory) { return listings_.erase(directory) != 0; }
  void clear() { listings_.clear(); }

 private:
  struct Listing {
    std::int64_t ctimeNs = 0;
    TimePoint until;
    std::uint32_t askedFor = 0;
  };

  const std::size_t capacity_;
  std::unordered_map<InodeId, Listing> listings_;
};

}  // namespace vcfs::fuse
