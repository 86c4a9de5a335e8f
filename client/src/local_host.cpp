#include "client/src/local_host.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <set>

#include "common/base/advertise.h"

namespace vcfs::client {

namespace {

std::set<std::string> interfaceAddresses() {
  std::set<std::string> result{"localhost", hostName()};
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return result;
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr) continue;
    char text[INET6_ADDRSTRLEN] = {};
    const void* raw = nullptr;
    if (i->ifa_addr->sa_family == AF_INET) raw = &reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr;
    if (i->ifa_addr->sa_family == AF_INET6) raw = &reinterpret_cast<const sockaddr_in6*>(i->ifa_addr)->sin6_addr;
    if (raw != nullptr && ::inet_ntop(i->ifa_addr->sa_family, raw, text, sizeof text)) result.insert(text);
  }
  ::freeifaddrs(list);
  return result;
}

}  // namespace

bool isLocalAddress(const std::string& address) {
  static const std::set<std::string> mine = interfaceAddresses();
  std::string host = address.substr(0, address.rfind(':'));
  if (host.size() >= 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return host.rfind("127.", 0) == 0 || mine.count(host) != 0;
}

}  // namespace vcfs::client
