#pragma once

#include <asio/ip/tcp.hpp>

#include "common/rpc/transport.h"

namespace vcfs::rpc {

// A Cap'n Proto message stream on a TCP socket, made for speed: small messages are copied together and sent with one
// call at the end of the loop's turn; the segments of large ones are sent from where they lie; a large body is received
// straight into its own pooled buffer. Socket calls are tried at once and only wait when the kernel says so.
class TcpLink final : public Link {
 public:
  TcpLink(asio::ip::tcp::socket socket, std::string peer);
  ~TcpLink() override;
  capnp::MessageStream& stream() override;
  const std::string& peer() const override;
  void hold(const void* data, std::shared_ptr<const void> owner) override;
  void close() override;
  std::uint64_t received() const override;
  std::uint64_t sent() const override;
  std::uint64_t arrived() const override;
  Duration roundTrip() const override;

 private:
  class State;
  std::shared_ptr<State> state_;  // shared with the pending socket operations
};

}  // namespace vcfs::rpc
