#pragma once

#include <capnp/serialize-async.h>

#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "common/runtime/clock.h"

namespace vcfs::rpc {

using Segments = kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>>;

// The messages that wait for a socket: small ones are copied together and leave with one call, the segments of large
// ones are sent from where they lie. Never waits. Loop thread only.
class SocketOutput {
 public:
  enum class Sent { all, blocked, failed };

  // `fd`: a socket that does not block; not owned.
  explicit SocketOutput(int fd) : fd_(fd) {}

  // True: the message was copied. False: its segments must stay as they are until flush() says that all is sent.
  bool add(Segments message);
  // `owner` is kept until the message that has `data` as a segment is out of this process. The message has to be given
  // to Cap'n Proto soon after `now`. If it never comes (what a cancelled call answers is not sent) the owner is let go
  // when another message has left whose owner came more than a minute later: Cap'n Proto sends in order.
  void hold(const void* data, std::shared_ptr<const void> owner, TimePoint now);
  // Gives the kernel what it takes. failed: see errno.
  Sent flush();
  void clear();  // forgets what waits, but not hold()'s owners
  void dropHolds() { holds_.clear(); }

  std::size_t waiting() const { return outBytes_ + small_.size(); }  // bytes
  std::uint64_t toKernel() const { return toKernel_; }               // bytes so far

 private:
  struct Piece {
    const std::byte* data;
    std::size_t size;
    std::vector<std::byte> owned;  // small messages' bytes; empty for a reference
    bool endsLarge = false;        // the last piece of a large message
  };

  void addSmall(Segments message);
  void addLarge(Segments message);
  void sealSmall();
  void consume(std::size_t bytes);
  void release(const void* segment);
  void dropUnsent(TimePoint sent);

  struct Held {
    std::shared_ptr<const void> owner;
    TimePoint since;
  };

  int fd_;
  std::vector<std::byte> small_;  // small messages of this turn
  std::deque<Piece> out_;
  std::size_t outBytes_ = 0;
  std::uint64_t toKernel_ = 0;
  std::vector<const void*> largeSegments_;
  std::unordered_multimap<const void*, Held> holds_;
  TimePoint nextLook_{};  // for those whose message did not come
};

}  // namespace vcfs::rpc
