#include "storage/store/block_sums.h"

#include <algorithm>

#include "storage/core/crc32c.h"

namespace vcfs::storage {

namespace {

constexpr std::uint32_t kReadBytes = 256u << 10;

}  // namespace

void appendBlockSums(ReplicaFile& file, std::uint64_t offset, std::uint32_t blockSize, std::uint32_t blocks,
                     std::vector<std::uint32_t>& sums) {
  const std::uint32_t perRead = std::max<std::uint32_t>(1, kReadBytes / blockSize);
  std::vector<std::byte> buffer(std::size_t{std::min(blocks, perRead)} * blockSize);
  while (blocks > 0) {
    const std::size_t wanted = std::size_t{std::min(blocks, perRead)} * blockSize;
    const std::size_t size = file.preadInSteps(std::span(buffer.data(), wanted), offset);
    for (std::size_t at = 0; at < size; at += blockSize) {
      sums.push_back(
          crc32c(std::span<const std::byte>(buffer.data() + at, std::min<std::size_t>(blockSize, size - at))));
    }
    if (size < wanted) return;
    offset += wanted;
    blocks -= static_cast<std::uint32_t>(wanted / blockSize);
  }
}

}  // namespace vcfs::storage
