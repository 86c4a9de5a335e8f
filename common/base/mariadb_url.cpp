#include "common/base/mariadb_url.h"

#include <charconv>

#include "common/base/error.h"

namespace vcfs {

namespace {

const std::string kScheme = "mariadb://";

[[noreturn]] void refuse(const std::string& why) {
  throw Error(Errc::invalid, "the catalog's URL " + why +
                                 "; write mariadb://user:password@host:port/database, several hosts with commas");
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) refuse("has a bad %-escape");
    plain += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  return plain;
}

MariadbServerAddress toServer(std::string host) {
  MariadbServerAddress server;
  if (const auto colon = host.rfind(':'); colon != std::string::npos) {
    const std::string port = host.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), server.port);
    if (error != std::errc() || end != port.data() + port.size() || server.port == 0) refuse("has a bad port");
    host.erase(colon);
  }
  server.host = decode(host);
  if (server.host.empty()) refuse("has no host");
  if (server.host[0] == '/') server.socket = server.host;
  return server;
}

std::vector<MariadbServerAddress> toServers(const std::string& text) {
  std::vector<MariadbServerAddress> servers;
  for (std::size_t at = 0;;) {
    const auto comma = text.find(',', at);
    servers.push_back(toServer(text.substr(at, comma - at)));
    if (comma == std::string::npos) return servers;
    at = comma + 1;
  }
}

}  // namespace

MariadbUrl parseMariadbUrl(const std::string& text) {
  if (text.rfind(kScheme, 0) != 0) refuse("does not begin with mariadb://");
  MariadbUrl url;
  std::string rest = text.substr(kScheme.size());
  const auto slash = rest.rfind('/');
  if (slash == std::string::npos || slash + 1 == rest.size()) refuse("names no database");
  url.database = decode(rest.substr(slash + 1));
  rest.erase(slash);
  const auto at = rest.rfind('@');
  if (at == std::string::npos) refuse("names no user");
  const std::string login = rest.substr(0, at);
  const auto colon = login.find(':');
  url.user = decode(login.substr(0, colon));
  if (colon != std::string::npos) url.password = decode(login.substr(colon + 1));
  if (url.user.empty()) refuse("names no user");
  url.servers = toServers(rest.substr(at + 1));
  return url;
}

std::string withoutCredentials(const std::string& url) {
  const auto at = url.rfind('@');
  if (!url.starts_with(kScheme) || at == std::string::npos) return url;
  return kScheme + url.substr(at + 1);
}

}  // namespace vcfs
