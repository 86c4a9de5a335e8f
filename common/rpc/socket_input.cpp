#include "common/rpc/socket_input.h"

#include <kj/debug.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vcfs::rpc {

namespace {
constexpr std::size_t kInputBytes = 64u << 10;
}

kj::Exception disconnected(const char* what) {
  return kj::Exception(kj::Exception::Type::DISCONNECTED, "", 0, kj::str("connection lost: ", what));
}

bool SocketInput::next(Message& message, capnp::ReaderOptions options) {
  while (true) {
    if (body_) {
      if (bodyFilled_ == body_->size()) {
        message = take(options);
        return true;
      }
      if (!receiveBody()) return ended(message);
      continue;
    }
    if (auto header = parseHeader(input_.data() + inputBegin_, inputEnd_ - inputBegin_)) {
      startBody(*header);
      continue;
    }
    if (!receiveInput()) return ended(message);
  }
}

bool SocketInput::ended(Message& message) {
  if (!eof_) return false;
  if (body_ || inputEnd_ != inputBegin_) kj::throwFatalException(disconnected("in the middle of a message"));
  message = nullptr;
  return true;
}

void SocketInput::startBody(FrameHeader& header) {
  inputBegin_ += header.headerBytes;
  body_ = Received::make(header.bodyBytes);
  segmentWords_ = kj::mv(header.segmentWords);
  const std::size_t here = std::min(header.bodyBytes, inputEnd_ - inputBegin_);
  if (here > 0) std::memcpy(body_->data(), input_.data() + inputBegin_, here);
  inputBegin_ += here;
  bodyFilled_ = here;
  if (inputBegin_ == inputEnd_) inputBegin_ = inputEnd_ = 0;
}

capnp::MessageReaderAndFds SocketInput::take(capnp::ReaderOptions options) {
  bodyBytes_ += body_->size();
  capnp::MessageReaderAndFds result{kj::heap<ReceivedReader>(options, std::move(body_), kj::mv(segmentWords_)),
                                    nullptr};
  body_.reset();
  bodyFilled_ = 0;
  return result;
}

// What is missing of a large body goes where it belongs, and behind it, in the same call, what follows.
bool SocketInput::receiveBody() {
  if (input_.empty()) input_.resize(kInputBytes);
  iovec parts[2] = {{body_->data() + bodyFilled_, body_->size() - bodyFilled_}, {input_.data(), input_.size()}};
  const ssize_t n = ::readv(fd_, parts, 2);
  if (n <= 0) return failed(n);
  const auto got = static_cast<std::size_t>(n);
  received_ += got;
  const std::size_t missing = body_->size() - bodyFilled_;
  bodyFilled_ += std::min(got, missing);
  inputBegin_ = 0;
  inputEnd_ = got > missing ? got - missing : 0;
  return true;
}

bool SocketInput::receiveInput() {
  if (input_.empty()) input_.resize(kInputBytes);
  if (inputBegin_ > 0) {
    std::memmove(input_.data(), input_.data() + inputBegin_, inputEnd_ - inputBegin_);
    inputEnd_ -= inputBegin_;
    inputBegin_ = 0;
  }
  const ssize_t n = ::recv(fd_, input_.data() + inputEnd_, input_.size() - inputEnd_, 0);
  if (n <= 0) return failed(n);
  inputEnd_ += static_cast<std::size_t>(n);
  received_ += static_cast<std::size_t>(n);
  return true;
}

bool SocketInput::failed(ssize_t result) {
  if (result == 0) {
    eof_ = true;
    return false;
  }
  if (errno == EAGAIN || errno == EINTR) return false;
  kj::throwFatalException(disconnected(std::strerror(errno)));
}

}  // namespace vcfs::rpc
