#include "common/rpc/socket_output.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "common/rpc/message_framing.h"

namespace vcfs::rpc {

namespace {

constexpr std::size_t kCopyUpTo = 8u << 10;  // messages up to this size are copied
constexpr std::size_t kPiecesPerCall = 16;
constexpr Duration kUnsentAfter = std::chrono::minutes(1);
constexpr Duration kLookEvery = std::chrono::seconds(10);

std::size_t sizeOf(Segments message) {
  std::size_t bytes = 0;
  for (auto segment : message) bytes += segment.size() * sizeof(capnp::word);
  return bytes;
}

const std::byte* bytesOf(kj::ArrayPtr<const capnp::word> segment) {
  return reinterpret_cast<const std::byte*>(segment.begin());
}

}  // namespace

bool SocketOutput::add(Segments message) {
  appendHeader(small_, message);
  if (sizeOf(message) <= kCopyUpTo) {
    addSmall(message);
    return true;
  }
  addLarge(message);
  return false;
}

void SocketOutput::addSmall(Segments message) {
  for (auto segment : message) {
    small_.insert(small_.end(), bytesOf(segment), bytesOf(segment) + segment.size() * sizeof(capnp::word));
    release(segment.begin());
  }
}

void SocketOutput::addLarge(Segments message) {
  sealSmall();
  for (auto segment : message) {
    if (segment.size() == 0) continue;
    out_.push_back(Piece{bytesOf(segment), segment.size() * sizeof(capnp::word), {}, false});
    outBytes_ += out_.back().size;
    largeSegments_.push_back(segment.begin());
  }
  out_.back().endsLarge = true;
}

void SocketOutput::sealSmall() {
  if (small_.empty()) return;
  Piece piece{nullptr, small_.size(), std::move(small_), false};
  piece.data = piece.owned.data();
  outBytes_ += piece.size;
  out_.push_back(std::move(piece));
  small_ = {};
  small_.reserve(512);
}

SocketOutput::Sent SocketOutput::flush() {
  sealSmall();
  while (!out_.empty()) {
    iovec parts[kPiecesPerCall];
    std::size_t count = 0;
    for (auto piece = out_.begin(); piece != out_.end() && count < kPiecesPerCall; ++piece) {
      parts[count++] = {const_cast<std::byte*>(piece->data), piece->size};
    }
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    const ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN ? Sent::blocked : Sent::failed;
    }
    consume(static_cast<std::size_t>(n));
  }
  return Sent::all;
}

void SocketOutput::consume(std::size_t bytes) {
  outBytes_ -= bytes;
  toKernel_ += bytes;
  while (bytes > 0) {
    Piece& piece = out_.front();
    if (bytes < piece.size) {
      piece.data += bytes;
      piece.size -= bytes;
      return;
    }
    bytes -= piece.size;
    if (piece.endsLarge) {
      for (const void* segment : largeSegments_) release(segment);
      largeSegments_.clear();
    }
    out_.pop_front();
  }
}

void SocketOutput::hold(const void* data, std::shared_ptr<const void> owner, TimePoint now) {
  holds_.emplace(data, Held{std::move(owner), now});
}

void SocketOutput::release(const void* segment) {
  if (holds_.empty()) return;
  // The same bytes may be sent twice: the first to come was held first.
  const auto [first, last] = holds_.equal_range(segment);
  const auto held =
      std::min_element(first, last, [](const auto& a, const auto& b) { return a.second.since < b.second.since; });
  if (held == last) return;
  const TimePoint since = held->second.since;
  holds_.erase(held);
  dropUnsent(since);
}

// Age alone says nothing: a message may wait long for a slow connection, in Cap'n Proto's own queue. What was given to
// it before one that has left has left, too.
void SocketOutput::dropUnsent(TimePoint sent) {
  if (sent < nextLook_) return;
  nextLook_ = sent + kLookEvery;
  std::erase_if(holds_, [sent](const auto& held) { return sent - held.second.since > kUnsentAfter; });
}

void SocketOutput::clear() {
  out_.clear();
  small_.clear();
}

}  // namespace vcfs::rpc
