#include "fuse/policy/size_gate.h"

namespace vcfs::fuse {

Task<void> SizeGate::beginRead() {
  while (raising_ > 0) co_await signal_.wait();
  ++reads_;
}

void SizeGate::endRead() {
  if (--reads_ == 0) signal_.notifyAll();
}

Task<void> SizeGate::beforeTelling(std::uint64_t size) {
  if (size > told_ && reads_ > 0) {
    ++raising_;
    while (reads_ > 0) co_await signal_.wait();
    if (--raising_ == 0) signal_.notifyAll();
  }
  told_ = size;
}

}  // namespace vcfs::fuse
