#include "common/rpc/bulk.h"

#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#include "common/rpc/received.h"

namespace vcfs::rpc {

namespace {

// Idle buffers by size class (powers of two from 64 KiB). Memory that was touched once is kept, up to a bound: first
// touch is slow. Buffers smaller than a class go straight to malloc.
class Pool {
 public:
  static constexpr std::size_t kSmallest = 64u << 10;
  static constexpr std::size_t kLargest = 16u << 20;
  static constexpr std::size_t kIdleBytes = 48u << 20;  // all classes together

  std::byte* take(std::size_t capacity) {
    const std::size_t index = classOf(capacity);
    {
      std::lock_guard lock(mutex_);
      if (index < idle_.size() && !idle_[index].empty()) {
        std::byte* data = idle_[index].back();
        idle_[index].pop_back();
        idleBytes_ -= capacity;
        return data;
      }
    }
    void* data = std::aligned_alloc(4096, capacity + 4096);
    if (data == nullptr) throw std::bad_alloc();
    return static_cast<std::byte*>(data);
  }

  void give(std::byte* data, std::size_t capacity) {
    const std::size_t index = classOf(capacity);
    {
      std::lock_guard lock(mutex_);
      if (capacity >= kSmallest && capacity <= kLargest && idleBytes_ + capacity <= kIdleBytes) {
        if (idle_.size() <= index) idle_.resize(index + 1);
        idle_[index].push_back(data);
        idleBytes_ += capacity;
        return;
      }
    }
    std::free(data);
  }

  static std::size_t rounded(std::size_t capacity) {
    if (capacity > kLargest) return (capacity + 4095) / 4096 * 4096;
    std::size_t size = 4096;
    while (size < capacity) size *= 2;
    return size;
  }

 private:
  static std::size_t classOf(std::size_t capacity) {
    std::size_t index = 0;
    for (std::size_t size = 4096; size < capacity; size *= 2) ++index;
    return index;
  }
  std::mutex mutex_;
  std::vector<std::vector<std::byte*>> idle_;
  std::size_t idleBytes_ = 0;
};

Pool& pool() {
  static Pool* instance = new Pool;  // never destroyed: buffers may be released while the process exits
  return *instance;
}

}  // namespace

std::shared_ptr<Buffer> Buffer::allocate(std::size_t capacity) {
  // A body of exactly 1 MiB in a message needs a little more than 1 MiB; a class of its own would double it.
  const std::size_t size = Pool::rounded(capacity);
  std::byte* data = pool().take(size);
  return std::shared_ptr<Buffer>(new Buffer(data, size));
}

Buffer::~Buffer() { pool().give(data_, capacity_); }

std::shared_ptr<const void> ownerOf(const void* p) {
  auto& live = Received::live();
  auto next = live.upper_bound(p);
  if (next == live.begin()) return nullptr;
  const auto& entry = *std::prev(next);
  auto owner = entry.second.lock();
  if (!owner || static_cast<const std::byte*>(p) >= owner->end()) return nullptr;
  return owner;
}

}  // namespace vcfs::rpc
