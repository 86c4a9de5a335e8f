#include "httpd/store/block_cache.h"

#include <gtest/gtest.h>

namespace vcfs::httpd {
namespace {

Piece pieceOf(const std::string& text) {
  auto bytes = std::make_shared<std::string>(text);
  Piece piece;
  piece.data = std::as_bytes(std::span<const char>(bytes->data(), bytes->size()));
  piece.owner = bytes;
  return piece;
}

std::string textOf(const Block& block) {
  std::string text;
  for (const Piece& piece : block.pieces) {
    text.append(reinterpret_cast<const char*>(piece.data.data()), piece.data.size());
  }
  return text;
}

BlockKey key(InodeId inode) {
  BlockKey k;
  k.inode = inode;
  return k;
}

TEST(BlockCache, a_small_block_keeps_nothing_but_its_bytes) {
  std::vector<Piece> pieces = {pieceOf("hello "), pieceOf("world")};
  std::weak_ptr<const void> message = pieces[0].owner;
  BlockPtr block = makeBlock(std::move(pieces));
  EXPECT_TRUE(message.expired());
  EXPECT_EQ(block->size, 11u);
  EXPECT_EQ(textOf(*block), "hello world");
}

TEST(BlockCache, a_full_block_is_not_copied) {
  std::vector<Piece> pieces = {pieceOf(std::string(kBlockSize, 'x'))};
  const std::byte* received = pieces[0].data.data();
  EXPECT_EQ(makeBlock(std::move(pieces))->pieces[0].data.data(), received);
}

TEST(BlockCache, nothing_is_a_block_of_no_bytes) { EXPECT_EQ(makeBlock({})->size, 0u); }

TEST(BlockCache, small_blocks_count_with_what_it_takes_to_find_them) {
  constexpr std::uint64_t kLimit = 1 << 20;
  BlockCache cache(kLimit);
  for (InodeId inode = 1; inode <= 10'000; ++inode) cache.insert(key(inode), makeBlock({pieceOf("x")}));
  std::uint64_t kept = 0;
  for (InodeId inode = 1; inode <= 10'000; ++inode) kept += cache.find(key(inode)) ? 1 : 0;
  EXPECT_LE(kept * BlockCache::kOverhead, kLimit);
  EXPECT_GT(kept * BlockCache::kOverhead, kLimit / 2);
  EXPECT_LE(cache.bytes(), kLimit);
}

TEST(BlockCache, the_one_used_longest_ago_goes_first) {
  BlockCache cache(3 * (kBlockSize + BlockCache::kOverhead));
  auto full = [] { return makeBlock({pieceOf(std::string(kBlockSize, 'x'))}); };
  for (InodeId inode : {1, 2, 3}) cache.insert(key(inode), full());
  EXPECT_TRUE(cache.find(key(1)));
  cache.insert(key(4), full());
  EXPECT_TRUE(cache.find(key(1)));
  EXPECT_FALSE(cache.find(key(2)));
  EXPECT_EQ(cache.bytes(), 3 * (kBlockSize + BlockCache::kOverhead));
}

TEST(BlockCache, another_version_is_another_block) {
  BlockCache cache(10 * kBlockSize);
  BlockKey k = key(1);
  k.changeId = 1;
  cache.insert(k, makeBlock({pieceOf("x")}));
  k.changeId = 2;
  EXPECT_FALSE(cache.find(k));
}

TEST(BlockCache, what_holds_no_full_block_holds_nothing) {
  for (std::uint64_t limit : {std::uint64_t{0}, kBlockSize}) {
    BlockCache cache(limit);
    EXPECT_FALSE(cache.enabled());
    cache.insert(key(1), makeBlock({pieceOf("x")}));
    EXPECT_FALSE(cache.find(key(1)));
  }
}

}  // namespace
}  // namespace vcfs::httpd
