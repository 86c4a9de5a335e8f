#pragma once

#include <capnp/common.h>
#include <kj/array.h>

#include <cstddef>
#include <optional>
#include <vector>

namespace vcfs::rpc {

// Cap'n Proto's standard framing: segment count - 1 and the segments' sizes in words, each 32 bits little-endian,
// padded to a word; then the segments. Pure functions; bounds keep a hostile peer from making us allocate.
inline constexpr std::size_t kMaxSegments = 256;
inline constexpr std::size_t kMaxMessageBytes = 32u << 20;

struct FrameHeader {
  std::size_t headerBytes = 0;
  std::size_t bodyBytes = 0;
  kj::Array<uint32_t> segmentWords;
};

// The header at the start of `bytes`; nullopt when more bytes are needed. Throws kj::Exception on one beyond the
// bounds.
std::optional<FrameHeader> parseHeader(const std::byte* bytes, std::size_t size);
void appendHeader(std::vector<std::byte>& out, kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments);

}  // namespace vcfs::rpc
