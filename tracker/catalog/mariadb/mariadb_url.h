#pragma once

#include <cstdint>
#include <string>

namespace vcfs::tracker {

// mariadb://user:password@host:port/database. Every part may be percent-encoded; the port defaults to 3306; a host that
// begins with '/' is the path of a Unix socket.
struct MariadbUrl {
  std::string user;
  std::string password;
  std::string host;
  std::uint16_t port = 3306;
  std::string socket;
  std::string database;
};

// Throws Error(invalid) that says what is missing; never with the password in it.
MariadbUrl parseMariadbUrl(const std::string& text);

}  // namespace vcfs::tracker
