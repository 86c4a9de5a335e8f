#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "httpd/core/request_parser.h"

namespace vcfs::httpd {

// Everything about the HTTP side that can be set; main.cpp declares each with its bounds.
struct HttpOptions {
  std::string listen = "127.0.0.1:21080";
  std::size_t maxConnections = 16384;             // beyond: 503 and closed
  std::uint64_t cacheBytes = 256u << 20;          // blocks of sealed files; 0: none
  std::chrono::milliseconds entryAge{1000};       // how long a path's answer may be reused; 0: never
  std::chrono::milliseconds idleTimeout{75'000};  // between two requests
  std::chrono::milliseconds headTimeout{30'000};  // from a request's first byte to its last
  std::chrono::milliseconds sendTimeout{60'000};  // a client that takes nothing for this long is dropped
  std::chrono::milliseconds patience{5'000};      // of one that takes nothing, until the file's read-ahead is let go of
  std::uint64_t unsentLimit = 512 << 10;          // bytes per connection waiting in the kernel; 0: the kernel's
  std::string congestionControl;                  // TCP_CONGESTION of client connections; "": the system's
  std::string corsOrigin = "*";                   // Access-Control-Allow-Origin; "": no CORS headers
  bool accessLog = false;
  HeadLimits limits;
};

}  // namespace vcfs::httpd
