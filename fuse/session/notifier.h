#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
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
//
// An answer about attributes that is on its way when the kernel is told to forget them is thrown away by it. So such an
// order can be taken back, can be given for later, and waits a moment while there are requests that nobody has read:
// one of them may ask for just these. Thread-safe.
class Notifier {
 public:
  struct Order {
    enum class Kind : std::uint8_t { attributes, pages, name, everything };
    Kind kind = Kind::attributes;
    InodeId node = 0;  // as the kernel numbers it (the mount's root is 1)
    std::string name;  // of `node`, a directory, for Kind::name
  };

  // What the kernel has asked for. Called on the thread.
  struct Requests {
    std::function<bool()> unread;         // there are some that nobody has read yet
    std::function<std::uint64_t()> read;  // how many were, ever
  };
  Notifier(std::function<void(const Order&)> execute, std::size_t capacity, Requests requests = {});
  ~Notifier();  // drops what is queued and waits for the call under way

  // Not before `after` from now; others that are due overtake it.
  void push(Order order, std::chrono::nanoseconds after = {});
  // Takes an order about the node's attributes back that is still queued; false if there is none.
  bool withdrawAttributes(InodeId node);
  // What was to wait about this node need not any more.
  void hurry(InodeId node);
  // Whether an order about this node is queued or being carried out.
  bool underWay(InodeId node) const;
  std::uint64_t dropped() const;
  std::size_t queued() const;
  void stop();

 private:
  using Moment = std::chrono::steady_clock::time_point;
  struct Queued {
    Order order;
    // Of when it was seen first that there are unread requests.
    std::optional<Moment> since;
    std::uint64_t read = 0;
  };
  static std::string keyOf(const Order& order);
  void work();
  void takeDue();  // what was to wait and has waited long enough
  bool mustWait(Queued& next) const;
  void leave(InodeId node);  // an order about it is done or taken back

  const std::function<void(const Order&)> execute_;
  const Requests requests_;
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable more_;
  std::deque<Queued> queue_;
  std::multimap<Moment, Order> later_;
  std::unordered_set<std::string> keys_;
  std::unordered_map<InodeId, unsigned> nodes_;  // orders queued or being carried out
  std::uint64_t dropped_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace vcfs::fuse
