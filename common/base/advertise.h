#pragma once

#include <string>

// Under which address others reach a daemon of this host.
namespace vcfs {

// As the system says; "localhost" when it does not.
std::string hostName();

// Whether `host`, without port and with or without brackets, stands for all addresses of a machine (0.0.0.0, ::): one
// can listen there, and nobody else can connect to it.
bool isWildcard(const std::string& host);

// `advertise` where it is given; otherwise `listen`, with this host's name in the place of a wildcard. Both are
// host:port; throws Error(invalid) for an `advertise` that is not.
std::string advertisedAddress(const std::string& advertise, const std::string& listen);

}  // namespace vcfs
