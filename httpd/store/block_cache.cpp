#include "httpd/store/block_cache.h"

#include <cstring>

namespace vcfs::httpd {
namespace {

Piece copied(const std::vector<Piece>& pieces, std::uint64_t size) {
  auto bytes = std::make_shared_for_overwrite<std::byte[]>(size);
  std::uint64_t at = 0;
  for (const Piece& piece : pieces) {
    std::memcpy(bytes.get() + at, piece.data.data(), piece.data.size());
    at += piece.data.size();
  }
  Piece whole;
  whole.data = std::span<const std::byte>(bytes.get(), size);
  whole.owner = std::move(bytes);
  return whole;
}

}  // namespace

BlockPtr makeBlock(std::vector<Piece> pieces) {
  auto block = std::make_shared<Block>();
  for (const Piece& piece : pieces) block->size += piece.data.size();
  if (block->size > 0 && block->size < kBlockSize) {
    block->pieces.push_back(copied(pieces, block->size));
  } else {
    block->pieces = std::move(pieces);
  }
  return block;
}

std::size_t BlockKeyHash::operator()(const BlockKey& key) const {
  std::uint64_t h = key.inode * 0x9e3779b97f4a7c15ull;
  h = (h ^ (h >> 32) ^ key.changeId) * 0xff51afd7ed558ccdull;
  h = (h ^ (h >> 32) ^ key.block ^ (key.epoch << 40) ^ static_cast<std::uint64_t>(key.mtimeNs)) * 0xc4ceb9fe1a85ec53ull;
  return static_cast<std::size_t>(h ^ (h >> 32));
}

BlockPtr BlockCache::find(const BlockKey& key) {
  auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  ++hits_;
  order_.splice(order_.begin(), order_, found->second);
  return found->second->second;
}

void BlockCache::insert(const BlockKey& key, BlockPtr block) {
  ++misses_;
  if (!enabled() || index_.contains(key)) return;
  bytes_ += block->size + kOverhead;
  order_.emplace_front(key, std::move(block));
  index_[key] = order_.begin();
  evict();
}

void BlockCache::evict() {
  while (bytes_ > limit_ && !order_.empty()) {
    bytes_ -= order_.back().second->size + kOverhead;
    index_.erase(order_.back().first);
    order_.pop_back();
  }
}

}  // namespace vcfs::httpd
