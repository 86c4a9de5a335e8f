#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "common/base/ids.h"

namespace vcfs::fuse {

// How a mount behaves towards the kernel. Defaults are those of the mount options of the same names (mount.vcfs(8)).
struct MountSettings {
  std::string mountPoint;     // absolute, without links
  std::string source;         // what /proc/mounts shows: the tracker list and the subdirectory
  InodeId root = kRootInode;  // the directory of the store that is the mount's root
  bool readOnly = false;
  bool allowOther = true;                         // other users than the one who mounted
  std::chrono::milliseconds attrCache{60'000};    // attributes of what nobody writes; files being written: never
  std::chrono::milliseconds entryCache{60'000};   // names; changes by others are pushed
  std::chrono::milliseconds negativeCache{1000};  // names that do not exist
  std::chrono::milliseconds atimeDelay{1000};     // what was read is told to a tracker at most this much later
  std::uint32_t maxTransfer = 1u << 20;           // bytes of one READ or WRITE
  std::uint32_t readAheadKb = 4096;               // of the kernel, per file; 0: leave it as the kernel set it
  std::chrono::milliseconds opLimit{40'000};      // a request that is not answered by then is answered with EIO
  std::size_t inodeCache = 65'536;                // inodes remembered; open ones are never forgotten
  std::uint64_t inFlightBytes = 64u << 20;        // READs and WRITEs under way: InFlight::below()
  std::chrono::milliseconds stalledAfter{1000};   // of them, those that count no more as under way
  unsigned long mountFlags = 0;                   // MS_NOSUID and the like
};

}  // namespace vcfs::fuse
