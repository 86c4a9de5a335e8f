#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "vcfs/types.h"

namespace vcfs::httpd {

inline constexpr std::uint64_t kBlockSize = 512 << 10;

// One block of one version of a sealed file. Any change of the file gives another key, so a block never goes stale;
// whoever inserts one makes sure that its bytes are of that version.
struct BlockKey {
  InodeId inode = 0;
  std::uint64_t changeId = 0;
  Epoch epoch = 0;
  std::int64_t mtimeNs = 0;  // what the primary wrote and the catalog has not heard of yet shows here
  std::uint64_t block = 0;   // offset / kBlockSize
  friend bool operator==(const BlockKey&, const BlockKey&) = default;
};

struct BlockKeyHash {
  std::size_t operator()(const BlockKey& key) const;
};

// The bytes as they were received: sent from where they are, by any number of connections at once.
struct Block {
  std::vector<Piece> pieces;
  std::uint64_t size = 0;
};
using BlockPtr = std::shared_ptr<const Block>;

// Of pieces in order. One that is not full (a small file, the end of any) is copied into memory of just its size: the
// message in which it came may take twice as much, and that of the smallest file 8 KiB.
BlockPtr makeBlock(std::vector<Piece> pieces);

// Least recently used blocks go first. Blocks somebody is sending live on until they are sent. Loop thread only.
class BlockCache {
 public:
  static constexpr std::uint64_t kOverhead = 512;  // bytes a block is charged beyond its size: what it takes to find it

  explicit BlockCache(std::uint64_t limit) : limit_(limit) {}  // bytes; below one full block: nothing is kept
  bool enabled() const { return limit_ >= kBlockSize + kOverhead; }
  BlockPtr find(const BlockKey& key);
  void insert(const BlockKey& key, BlockPtr block);
  std::uint64_t bytes() const { return bytes_; }  // charged, never above the limit
  std::uint64_t hits() const { return hits_; }
  std::uint64_t misses() const { return misses_; }  // blocks read from the cluster and inserted

 private:
  using Order = std::list<std::pair<BlockKey, BlockPtr>>;  // most recently used first
  void evict();

  std::uint64_t limit_;
  std::uint64_t bytes_ = 0;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
  Order order_;
  std::unordered_map<BlockKey, Order::iterator, BlockKeyHash> index_;
};

}  // namespace vcfs::httpd
