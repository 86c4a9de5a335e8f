#pragma once

#include <string>

namespace vcfs::client {

// Whether "host:port" names this machine: its name, a loopback address or one of its interfaces'. Without asking DNS.
bool isLocalAddress(const std::string& address);

}  // namespace vcfs::client
