#include "common/base/advertise.h"

#include <unistd.h>

#include <asio/ip/address.hpp>

#include "common/base/error.h"
#include "common/base/settings.h"

namespace vcfs {

std::string hostName() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? std::string(name) : std::string("localhost");
}

bool isWildcard(const std::string& host) {
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  asio::error_code notLiteral;
  const auto address = asio::ip::make_address(brackets ? host.substr(1, host.size() - 2) : host, notLiteral);
  return !notLiteral && address.is_unspecified();
}

std::string advertisedAddress(const std::string& advertise, const std::string& listen) {
  if (!advertise.empty()) {
    try {
      parseAddress(advertise);
    } catch (const Error& error) {
      throw Error(Errc::invalid, "--advertise: " + error.detail());
    }
    return advertise;
  }
  const HostPort at = parseAddress(listen);
  return isWildcard(at.host) ? hostName() + ":" + std::to_string(at.port) : listen;
}

}  // namespace vcfs
