#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vcfs::storage {

// CRC-32C (Castagnoli), with the processor's instruction where it has one. crc32c("123456789") is 0xe3069283.
std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t before = 0);

}  // namespace vcfs::storage
