#include "common/rpc/message_framing.h"

#include <gtest/gtest.h>
#include <kj/exception.h>

#include <cstring>
#include <random>

namespace vcfs::rpc {
namespace {

TEST(MessageFraming, what_was_appended_is_parsed_again) {
  capnp::word words[20];
  for (std::size_t segments = 1; segments < 6; ++segments) {
    kj::Vector<kj::ArrayPtr<const capnp::word>> list;
    for (std::size_t i = 0; i < segments; ++i) list.add(kj::arrayPtr(words, i + 1));
    std::vector<std::byte> bytes;
    appendHeader(bytes, list.asPtr());
    for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(parseHeader(bytes.data(), size));
    const auto header = parseHeader(bytes.data(), bytes.size());
    ASSERT_TRUE(header);
    EXPECT_EQ(header->headerBytes, bytes.size());
    EXPECT_EQ(header->bodyBytes, segments * (segments + 1) / 2 * 8);
  }
}

TEST(MessageFraming, hostile_headers_are_refused_without_allocating) {
  const std::uint32_t tooMany[2] = {0xfffffff0u, 1};
  EXPECT_THROW(parseHeader(reinterpret_cast<const std::byte*>(tooMany), 8), kj::Exception);
  const std::uint32_t tooLarge[2] = {0, 0xffffffffu};
  EXPECT_THROW(parseHeader(reinterpret_cast<const std::byte*>(tooLarge), 8), kj::Exception);
}

TEST(MessageFraming, random_bytes_never_read_beyond_their_end) {
  std::mt19937 random(7);
  for (int round = 0; round < 10'000; ++round) {
    std::vector<std::byte> bytes(random() % 64);
    for (auto& b : bytes) b = static_cast<std::byte>(random());
    if (bytes.size() >= 4 && round % 2 == 0) std::memset(bytes.data() + 1, 0, 3);
    try {
      const auto header = parseHeader(bytes.data(), bytes.size());
      if (header) {
        EXPECT_LE(header->headerBytes, bytes.size());
      }
    } catch (const kj::Exception&) {
    }
  }
}

}  // namespace
}  // namespace vcfs::rpc
