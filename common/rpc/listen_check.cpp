#include "common/rpc/listen_check.h"

#include <asio/io_context.hpp>

#include "common/rpc/tcp_transport.h"
#include "common/runtime/clock.h"

namespace vcfs {

void checkListen(const std::string& address) {
  asio::io_context io;
  SystemClock clock(io);
  TcpTransport(io, clock).listen(address, [](std::unique_ptr<Link>) {});
}

}  // namespace vcfs
