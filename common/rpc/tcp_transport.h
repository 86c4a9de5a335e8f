#pragma once

#include "common/rpc/transport.h"

namespace vcfs {

struct TcpOptions {
  // Congestion control of every connection. The machine's default may be bbr, whose pacing costs dearly between servers
  // in one room. Empty, or one the kernel does not have: the system's.
  std::string congestionControl = "cubic";
};

// RPC over TCP. Loop thread only.
class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(asio::io_context& io, Clock& clock, TcpOptions options = {});
  ~TcpTransport() override;
  Task<std::unique_ptr<Link>> connect(std::string address, Duration limit) override;
  std::unique_ptr<Listener> listen(std::string address, std::function<void(std::unique_ptr<Link>)> accepted) override;

 private:
  asio::io_context& io_;
  Clock& clock_;
  TcpOptions options_;
};

}  // namespace vcfs
