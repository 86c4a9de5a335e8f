#include "common/rpc/message_framing.h"

#include <kj/debug.h>

#include <cstring>

namespace vcfs::rpc {

std::optional<FrameHeader> parseHeader(const std::byte* bytes, std::size_t size) {
  if (size < 8) return std::nullopt;
  uint32_t first = 0;
  std::memcpy(&first, bytes, 4);
  KJ_REQUIRE(first < kMaxSegments, "message with too many segments");
  const std::size_t segments = first + 1;
  FrameHeader header;
  header.headerBytes = (segments / 2 + 1) * 8;
  if (size < header.headerBytes) return std::nullopt;
  header.segmentWords = kj::heapArray<uint32_t>(segments);
  std::memcpy(header.segmentWords.begin(), bytes + 4, segments * 4);
  std::size_t words = 0;
  for (const uint32_t segment : header.segmentWords) words += segment;
  KJ_REQUIRE(words <= kMaxMessageBytes / 8, "message too large");
  header.bodyBytes = words * 8;
  return header;
}

void appendHeader(std::vector<std::byte>& out, kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> segments) {
  const std::size_t bytes = (segments.size() / 2 + 1) * 8;
  const std::size_t start = out.size();
  out.resize(start + bytes);
  auto* table = reinterpret_cast<std::byte*>(out.data() + start);
  std::memset(table, 0, bytes);
  const auto count = static_cast<uint32_t>(segments.size() - 1);
  std::memcpy(table, &count, 4);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const auto words = static_cast<uint32_t>(segments[i].size());
    std::memcpy(table + 4 + 4 * i, &words, 4);
  }
}

}  // namespace vcfs::rpc
