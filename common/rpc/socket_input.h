#pragma once

#include <capnp/serialize-async.h>

#include <vector>

#include "common/rpc/message_framing.h"
#include "common/rpc/received.h"

namespace vcfs::rpc {

// Cuts what comes from a socket into messages: small ones through one buffer, a large body straight into its own pooled
// memory. Never waits. Loop thread only.
class SocketInput {
 public:
  using Message = kj::Maybe<capnp::MessageReaderAndFds>;

  // `fd`: a socket that does not block; not owned.
  explicit SocketInput(int fd) : fd_(fd) {}

  // True when `message` was set (to null at the end of the stream); false when the socket has no whole message now.
  // Throws kj::Exception when the connection is lost, or the peer breaks the framing or its bounds.
  bool next(Message& message, capnp::ReaderOptions options);
  std::uint64_t received() const { return received_; }    // bytes
  std::uint64_t bodyBytes() const { return bodyBytes_; }  // of whole messages

 private:
  bool ended(Message& message);
  void startBody(FrameHeader& header);
  capnp::MessageReaderAndFds take(capnp::ReaderOptions options);
  bool receiveBody();
  bool receiveInput();
  bool failed(ssize_t result);

  int fd_;
  std::vector<std::byte> input_;
  std::size_t inputBegin_ = 0;
  std::size_t inputEnd_ = 0;
  std::shared_ptr<Received> body_;  // being received
  std::size_t bodyFilled_ = 0;
  kj::Array<uint32_t> segmentWords_;
  bool eof_ = false;
  std::uint64_t received_ = 0;
  std::uint64_t bodyBytes_ = 0;
};

kj::Exception disconnected(const char* what);

}  // namespace vcfs::rpc
