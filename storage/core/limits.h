#pragma once

#include <cstdint>

#include "schema/storage.capnp.h"
#include "vcfs/types.h"

// What a request may ask for, checked at the door before anything is touched. Each throws an Error whose detail names
// the thing.
namespace vcfs::storage::limits {

inline constexpr std::uint64_t kMaxInode = (1ULL << 62) - 1;
inline constexpr std::uint32_t kMaxReplicas = 16;
inline constexpr std::uint32_t kMaxList = 1000;
inline constexpr std::uint32_t kMaxWaitMs = 30'000;
inline constexpr std::size_t kMaxUser = 255;
inline constexpr std::size_t kMaxName = 1024;

void checkFile(InodeId inode, Epoch epoch);                        // invalid
void checkInode(InodeId inode);                                    // invalid
void checkWriter(ClientId client, std::uint64_t sequence);         // invalid
void checkTransfer(std::uint64_t offset, std::uint64_t length);    // invalid (length), tooLarge
void checkExtent(std::uint64_t offset, std::uint64_t length);      // tooLarge
void checkWriteFlags(std::uint16_t flags);                         // invalid
void checkAllocateMode(std::uint32_t mode, std::uint64_t length);  // notSupported, invalid
// The layout of `inode` in `epoch`; throws invalid when it is of another file or epoch, has too many replicas, a
// replica twice or without an id, or no address. user and name are cut to what is stored.
Layout toLayout(schema::Layout::Reader reader, InodeId inode, Epoch epoch);

}  // namespace vcfs::storage::limits
