#include "httpd/server/peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <utility>

namespace vcfs::httpd {
namespace {

void advance(std::string_view& text, Window& window, std::size_t sent) {
  std::size_t fromText = std::min(sent, text.size());
  text.remove_prefix(fromText);
  sent -= fromText;
  window.bytes -= sent;
  std::size_t gone = 0;
  while (sent > 0 && sent >= window.parts[gone].size()) sent -= window.parts[gone++].size();
  if (gone > 0) {
    window.parts.erase(window.parts.begin(), window.parts.begin() + static_cast<std::ptrdiff_t>(gone));
    window.owners.erase(window.owners.begin(), window.owners.begin() + static_cast<std::ptrdiff_t>(gone));
  }
  if (sent > 0) window.parts.front() = window.parts.front().subspan(sent);
}

}  // namespace

Peer::Peer(Site& site, asio::ip::tcp::socket socket) : site_(site), socket_(std::move(socket)) {
  asio::error_code ignored;
  socket_.native_non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  int fd = socket_.native_handle();
  if (site_.options.unsentLimit > 0) {
    int limit = static_cast<int>(site_.options.unsentLimit);
    ::setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &limit, sizeof limit);
  }
  const std::string& congestion = site_.options.congestionControl;
  if (!congestion.empty()) {
    ::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion.data(), static_cast<socklen_t>(congestion.size()));
  }
}

Peer::Received Peer::receive(std::string_view& bytes) {
  for (;;) {
    ssize_t n = ::recv(socket_.native_handle(), site_.scratch.data(), site_.scratch.size(), MSG_DONTWAIT);
    if (n > 0) {
      bytes = std::string_view(site_.scratch.data(), static_cast<std::size_t>(n));
      return Received::bytes;
    }
    if (n == 0) return Received::end;
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? Received::nothingYet : Received::end;
  }
}

Task<void> Peer::waitReadable() {
  asio::error_code ignored;
  co_await socket_.async_wait(asio::ip::tcp::socket::wait_read, asio::redirect_error(asio::use_awaitable, ignored));
}

bool Peer::trySend(std::string_view& text, Window& window) {
  std::array<iovec, kWindowParts + 1> vectors;
  while (!text.empty() || !window.parts.empty()) {
    std::size_t count = 0;
    if (!text.empty()) vectors[count++] = {const_cast<char*>(text.data()), text.size()};
    for (const auto& part : window.parts) {
      if (count == vectors.size()) break;
      vectors[count++] = {const_cast<std::byte*>(part.data()), part.size()};
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    ssize_t n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
      throw Gone();
    }
    site_.counters.sentBytes += static_cast<std::uint64_t>(n);
    advance(text, window, static_cast<std::size_t>(n));
  }
  return true;
}

Task<void> Peer::waitWritable(ByteSource* source) {
  std::chrono::milliseconds left = site_.options.sendTimeout;
  const std::chrono::milliseconds patience = site_.options.patience;
  if (source != nullptr && left > patience) {
    if (co_await writableWithin(patience)) co_return;
    source->letGo();
    left -= patience;
  }
  if (co_await writableWithin(left)) co_return;
  ++site_.counters.droppedSlow;
  throw Gone();
}

// False: `limit` has passed.
Task<bool> Peer::writableWithin(std::chrono::milliseconds limit) {
  setDeadline(limit);
  asio::error_code error;
  co_await socket_.async_wait(asio::ip::tcp::socket::wait_write, asio::redirect_error(asio::use_awaitable, error));
  clearDeadline();
  const bool late = std::exchange(expired_, false);
  if (!late && error) throw Gone();
  if (!socket_.is_open()) throw Gone();
  co_return !late;
}

Task<void> Peer::send(std::string_view text) {
  Window none;
  while (!trySend(text, none)) co_await waitWritable();
}

Task<void> Peer::send(std::string_view text, Window& window, ByteSource* source) {
  while (!trySend(text, window)) co_await waitWritable(source);
}

bool Peer::clientGone() {
  if (!socket_.is_open()) return true;
  char byte;
  ssize_t n = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void Peer::finishSending() {
  asio::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void Peer::close() {
  asio::error_code ignored;
  if (answering_) socket_.set_option(asio::ip::tcp::socket::linger(true, 0), ignored);
  socket_.close(ignored);
}

void Peer::setDeadline(std::chrono::milliseconds fromNow) {
  deadline_ = site_.runtime.clock.now() + std::chrono::duration_cast<Duration>(fromNow);
}

void Peer::expire() {
  clearDeadline();
  expired_ = true;
  asio::error_code ignored;
  socket_.cancel(ignored);
}

}  // namespace vcfs::httpd
