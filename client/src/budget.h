#pragma once

#include <cstdint>

#include "common/async/signal.h"

namespace vcfs::client {

// Bytes of memory that all files of a Cluster share. A single user may hold at most half of what the others left, so
// that files whose servers are away do not take everything from the ones that work.
class Budget {
 public:
  Budget(asio::io_context& io, std::uint64_t limit) : limit_(limit), freed_(io) {}

  // What a user that holds `held` bytes may hold in all.
  std::uint64_t share(std::uint64_t held) const {
    const std::uint64_t free = limit_ > used_ ? limit_ - used_ : 0;
    return (held + free) / 2;
  }
  bool fits(std::uint64_t bytes) const { return used_ + bytes <= limit_; }
  void take(std::uint64_t bytes) { used_ += bytes; }
  void give(std::uint64_t bytes) {
    used_ -= bytes;
    if (freed_.hasWaiters()) freed_.notifyAll();
  }
  bool scarce() const { return used_ > limit_ / 2; }
  std::uint64_t used() const { return used_; }
  Task<bool> waitFreed(Clock& clock, Duration limit) { return freed_.waitFor(clock, limit); }

 private:
  std::uint64_t limit_;
  std::uint64_t used_ = 0;
  Signal freed_;
};

}  // namespace vcfs::client
