#pragma once

#include <cstdint>

#include "common/async/signal.h"

namespace vcfs::fuse {

// Keeps the kernel from showing zeros that nobody wrote.
//
// The kernel fills a page behind a READ's last byte with zeros, which is right for the size it knew when it asked. If
// it is told a larger size while that answer is on its way, the zeros become part of the file. So: a larger size is
// told only when no cached READ is under way, and READs that come meanwhile wait until it was told. One per inode; loop
// thread only.
class SizeGate {
 public:
  explicit SizeGate(asio::io_context& io) : signal_(io) {}

  // Around a READ of a handle that goes through the page cache.
  Task<void> beginRead();
  void endRead();

  // Before a size is told to the kernel. The caller answers the request without waiting for anything else.
  Task<void> beforeTelling(std::uint64_t size);
  // The kernel grew the file by itself (it sent a WRITE).
  void grewTo(std::uint64_t size) { told_ = size > told_ ? size : told_; }

  bool busy() const { return reads_ > 0 || raising_ > 0; }

 private:
  Signal signal_;
  std::uint64_t told_ = 0;
  std::uint32_t reads_ = 0;
  std::uint32_t raising_ = 0;
};

}  // namespace vcfs::fuse
