#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vcfs {

struct MariadbServerAddress {
  std::string host;
  std::uint16_t port = 3306;
  std::string socket;
};

// mariadb://user:password@host:port,host:port/database. Every part may be percent-encoded; the port defaults to 3306; a
// host that begins with '/' is the path of a Unix socket. Several hosts are the nodes of one Galera cluster: the first
// is used, the others when it does not answer.
struct MariadbUrl {
  std::string user;
  std::string password;
  std::vector<MariadbServerAddress> servers;  // at least one
  std::string database;
};

// Throws Error(invalid) that says what is missing; never with the password in it.
MariadbUrl parseMariadbUrl(const std::string& text);

// The same text without user and password, for people; what is no such URL as it is.
std::string withoutCredentials(const std::string& url);

}  // namespace vcfs
