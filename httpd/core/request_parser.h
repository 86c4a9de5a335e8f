#pragma once

#include <http_parser.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "httpd/core/conditions.h"

namespace vcfs::httpd {

enum class Method { get, head, options, other };

// The headers this server looks at; all others are checked for form and size and forgotten.
enum class Header { host, range, ifRange, ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince, accept, expect };
inline constexpr std::size_t kHeaders = 9;

struct Request {
  Method method = Method::other;
  std::string target;
  bool http10 = false;
  bool keepAlive = true;
  bool hasBody = false;
  bool holdsBody = false;  // it is sent only if 100 is answered first, which never happens: no request needs its body
  std::array<std::string, kHeaders> headers;  // several of one name are joined with ", "

  const std::string& header(Header h) const { return headers[static_cast<std::size_t>(h)]; }
  ConditionalHeaders conditional() const;
};

// Limits of a request's head; beyond them the answer is 431 (or 414 for the target).
struct HeadLimits {
  std::size_t bytes = 16 << 10;  // names and values together
  std::size_t headers = 100;
  std::size_t target = 8 << 10;
  std::size_t body = 64 << 10;  // read and thrown away; beyond it 413
};

// Cuts HTTP/1 requests out of a byte stream. No I/O. A body is skipped; a request that holds it back ends without it,
// and is the last one, as nobody knows whether it comes all the same. Memory is bounded by the limits.
class RequestParser {
 public:
  explicit RequestParser(HeadLimits limits);
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Takes bytes up to the end of the present request; returns how many it took. When complete() it takes no more
  // until next().
  std::size_t feed(std::string_view bytes);

  bool started() const { return started_; }  // a byte of the present request has been seen
  bool complete() const { return complete_; }
  int error() const { return error_; }  // the status to refuse with, 0: none. After an error: close.
  const char* errorText() const { return errorText_; }
  const Request& request() const { return request_; }
  void next();

 private:
  struct Callbacks;
  int fail(int status, const char* text);
  int onHeaderName(std::string_view part);
  int onHeaderValue(std::string_view part);
  int endHeader();
  int endHead();

  HeadLimits limits_;
  http_parser parser_;
  Request request_;
  std::string name_;
  std::string value_;
  bool inValue_ = false;
  bool headDone_ = false;
  bool sawHost_ = false;
  bool started_ = false;
  bool complete_ = false;
  std::size_t headBytes_ = 0;
  std::size_t headerCount_ = 0;
  std::size_t bodyBytes_ = 0;
  int error_ = 0;
  const char* errorText_ = "";
};

}  // namespace vcfs::httpd
