#pragma once

#include <cstddef>
#include <optional>
#include <unordered_map>

#include "common/base/ids.h"

namespace vcfs::fuse {

// Finds out that files are opened in the order in which their directory was listed (cp -r, grep -r, rsync), and which
// entries to ask for together then: a listing does not tell where the replicas are, so that otherwise each open is a
// question of its own. Without I/O. Bounded: what does not fit makes it forget everything, which costs questions only.
class OpenAhead {
 public:
  // As Cluster::readDir wants it: `count` entries of `directory` behind the cookie `after`.
  struct Range {
    InodeId directory = 0;
    std::uint64_t after = 0;
    std::uint32_t count = 0;
  };
  static constexpr std::uint32_t kMost = 64;  // entries asked for at once
  static constexpr std::uint32_t kSlack = 8;  // entries that may be left out and the order still counts

  explicit OpenAhead(std::size_t capacity = 65'536) : capacity_(capacity) {}

  // The directory's listing told of this inode. `after`: the cookie of the entry before it, 0 for the first, which
  // begins a new listing.
  void listed(InodeId directory, std::uint64_t after, InodeId inode);

  // `inode` is opened and where it lies is not known. Not set: ask for it alone. Else the range begins with it.
  std::optional<Range> missed(InodeId inode);

 private:
  struct Place {
    InodeId directory = 0;
    std::uint64_t after = 0;
    std::uint64_t ordinal = 0;
  };
  struct Directory {
    std::uint64_t listed = 0;  // entries
    std::uint64_t last = 0;    // ordinal of the latest that was missed
    std::uint32_t count = 0;   // entries asked for then; 0: none yet
  };

  const std::size_t capacity_;
  std::unordered_map<InodeId, Place> places_;
  std::unordered_map<InodeId, Directory> directories_;
};

}  // namespace vcfs::fuse
