#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vcfs::httpd {

std::string_view reasonOf(int status);  // "Not Found"

// Writes a response's status line and headers into one string. Values must be free of CR and LF: everything that comes
// from outside is encoded before.
class ResponseHead {
 public:
  ResponseHead(int status, bool http10);
  ResponseHead& add(std::string_view name, std::string_view value);
  ResponseHead& add(std::string_view name, std::uint64_t value);
  // Lines that were made elsewhere, each with its CRLF.
  ResponseHead& addLines(std::string_view lines);
  // Ends the head. `keepAlive`: whether the connection stays.
  std::string finish(bool keepAlive);

 private:
  bool http10_;
  std::string text_;
};

// The CORS lines of every answer ("" when `origin` is "").
std::string corsLines(std::string_view origin);
// Those of the answer to OPTIONS.
std::string preflightLines(std::string_view origin);

}  // namespace vcfs::httpd
