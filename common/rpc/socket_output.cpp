#include "common/rpc/socket_output.h"

#include <sys/socket.h>

#include <cerrno>

#include "common/rpc/message_framing.h"

namespace vcfs::rpc {

namespace {

constexpr std::size_t kCopyUpTo = 8u << 10;  // messages up to this size are copied
constexpr std::size_t kPiecesPerCall = 16;

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

void SocketOutput::hold(const void* data, std::shared_ptr<const void> owner) { holds_.emplace(data, std::move(owner)); }

void SocketOutput::release(const void* segment) {
  if (holds_.empty()) return;
  auto held = holds_.find(segment);
  if (held != holds_.end()) holds_.erase(held);
}

void SocketOutput::clear() {
  out_.clear();
  small_.clear();
}

}  // namespace vcfs::rpc
