#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "common/base/ids.h"

namespace vcfs::fuse {

// Tells the kernel what it must not believe any more.
//
// Such a call may wait for locks that the kernel holds while it waits for one of our answers. So it never runs on the
// loop: each instance has a thread of its own, and one for names is separate from one for inodes, so that a directory
// that is being changed does not hold up attributes. The queue is bounded; what does not fit is dropped and counted
// (the kernel then believes it for at most the cache time). The same order twice in the queue is kept once.
// Thread-safe.
class Notifier {
 public:
  struct Order {
    enum class Kind : std::uint8_t { attributes, pages, name, everything };
    Kind kind = Kind::attributes;
    InodeId node = 0;  // as the kernel numbers it (the mount's root is 1)
    std::string name;  // of `node`, a directory, for Kind::name
  };

  Notifier(std::function<void(const Order&)> execute, std::size_t capacity);
  ~Notifier();  // drops what is queued and waits for the call under way

  void push(Order order);
  // Whether an order about this node is queued or being carried out.
  bool underWay(InodeId node) const;
  std::uint64_t dropped() const;
  std::size_t queued() const;
  void stop();

 private:
  static std::string keyOf(const Order& order);
  void work();

  const std::function<void(const Order&)> execute_;
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable more_;
  std::deque<Order> queue_;
  std::unordered_set<std::string> keys_;
  std::unordered_map<InodeId, unsigned> nodes_;  // orders queued or being carried out
  std::uint64_t dropped_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace vcfs::fuse
