#pragma once

#include <cstdint>
#include <vector>

#include "storage/store/store.h"

namespace vcfs::storage {

// Appends the CRC-32C of up to `blocks` blocks of `blockSize` bytes (at most 1 MiB) from `offset` on, as far as the
// file goes; the last one may be short. Throws as pread(): then the blocks before the last 256 KiB that were asked for
// are appended.
void appendBlockSums(ReplicaFile& file, std::uint64_t offset, std::uint32_t blockSize, std::uint32_t blocks,
                     std::vector<std::uint32_t>& sums);

}  // namespace vcfs::storage
