#pragma once

#include "common/rpc/name_lookup.h"
#include "common/rpc/transport.h"

namespace vcfs {

struct TcpOptions {
  // Congestion control of every connection. The machine's default may be bbr, whose pacing costs dearly between servers
  // in one room. Empty, or one the kernel does not have: the system's.
  std::string congestionControl = "cubic";
};

// RPC over TCP. A host that has several addresses is tried at one after the other. Loop thread only.
class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(asio::io_context& io, Clock& clock, TcpOptions options = {});
  TcpTransport(asio::io_context& io, Clock& clock, NameLookup names, TcpOptions options = {});
  ~TcpTransport() override;
  // Half of `limit` is for the look-up of the host's name; an error of that is unasked().
  Task<std::unique_ptr<Link>> connect(std::string address, Duration limit) override;
  std::unique_ptr<Listener> listen(std::string address, std::function<void(std::unique_ptr<Link>)> accepted) override;

 private:
  Task<std::unique_ptr<Link>> connectTo(asio::ip::address host, std::uint16_t port, std::string address,
                                        Duration limit);

  asio::io_context& io_;
  Clock& clock_;
  NameLookup names_;
  TcpOptions options_;
};

}  // namespace vcfs
