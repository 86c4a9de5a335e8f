#pragma once

#include <string>

namespace vcfs {

// Listens at host:port for a moment. For a daemon before it makes or changes anything on disk: throws what
// TcpTransport's listen() would throw there later (the port is taken, no such host, not an address of this machine).
// Blocking.
void checkListen(const std::string& address);

}  // namespace vcfs
