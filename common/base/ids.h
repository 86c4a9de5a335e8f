#pragma once

#include <cstdint>

// The numbers vcfs lives by. All come from a server; 0 is never a valid one.
namespace vcfs {

using InodeId = std::uint64_t;    // unique for ever; kRootInode is the root directory
using StorageId = std::uint32_t;  // a storage server (one disk), assigned at its registration
using Epoch = std::uint64_t;      // of one file's replica set; only the catalog raises it
using ClientId = std::uint64_t;   // random, one per client process

inline constexpr InodeId kRootInode = 1;

// "host:port" as people write it; an IPv6 host stands in brackets.
inline constexpr std::uint16_t kDefaultTrackerPort = 21000;

}  // namespace vcfs
