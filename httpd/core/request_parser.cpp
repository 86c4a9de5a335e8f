#include "httpd/core/request_parser.h"

#include "httpd/core/text.h"

namespace vcfs::httpd {
namespace {

constexpr std::array<std::string_view, kHeaders> kNames = {
    "host",   "range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since",
    "accept", "expect"};

Method methodOf(unsigned code) {
  switch (code) {
    case HTTP_GET:
      return Method::get;
    case HTTP_HEAD:
      return Method::head;
    case HTTP_OPTIONS:
      return Method::options;
    default:
      return Method::other;
  }
}

}  // namespace

ConditionalHeaders Request::conditional() const {
  ConditionalHeaders out;
  out.ifMatch = header(Header::ifMatch);
  out.ifNoneMatch = header(Header::ifNoneMatch);
  out.ifModifiedSince = header(Header::ifModifiedSince);
  out.ifUnmodifiedSince = header(Header::ifUnmodifiedSince);
  out.ifRange = header(Header::ifRange);
  return out;
}

struct RequestParser::Callbacks {
  static RequestParser& of(http_parser* parser) { return *static_cast<RequestParser*>(parser->data); }

  static http_parser_settings settings() {
    http_parser_settings s;
    http_parser_settings_init(&s);
    s.on_message_begin = [](http_parser* p) {
      of(p).started_ = true;
      return 0;
    };
    s.on_url = [](http_parser* p, const char* at, size_t n) {
      RequestParser& self = of(p);
      if (self.request_.target.size() + n > self.limits_.target)
        return self.fail(414, "the request target is too long");
      self.request_.target.append(at, n);
      return 0;
    };
    s.on_header_field = [](http_parser* p, const char* at, size_t n) { return of(p).onHeaderName({at, n}); };
    s.on_header_value = [](http_parser* p, const char* at, size_t n) { return of(p).onHeaderValue({at, n}); };
    s.on_headers_complete = [](http_parser* p) { return of(p).endHead(); };
    s.on_body = [](http_parser* p, const char*, size_t n) {
      RequestParser& self = of(p);
      self.bodyBytes_ += n;
      return self.bodyBytes_ > self.limits_.body ? self.fail(413, "the request has too large a body") : 0;
    };
    s.on_message_complete = [](http_parser* p) {
      of(p).complete_ = true;
      http_parser_pause(p, 1);
      return 0;
    };
    return s;
  }
};

RequestParser::RequestParser(HeadLimits limits) : limits_(limits) {
  http_parser_init(&parser_, HTTP_REQUEST);
  parser_.data = this;
}

void RequestParser::next() {
  http_parser_init(&parser_, HTTP_REQUEST);
  request_ = Request();
  name_.clear();
  value_.clear();
  inValue_ = headDone_ = sawHost_ = started_ = complete_ = false;
  headBytes_ = headerCount_ = bodyBytes_ = 0;
}

std::size_t RequestParser::feed(std::string_view bytes) {
  static const http_parser_settings settings = Callbacks::settings();
  if (complete_ || error_ != 0 || bytes.empty()) return 0;
  std::size_t used = http_parser_execute(&parser_, &settings, bytes.data(), bytes.size());
  http_errno code = HTTP_PARSER_ERRNO(&parser_);
  if (code == HPE_PAUSED || code == HPE_OK) return used;
  if (error_ == 0) {
    if (code == HPE_HEADER_OVERFLOW) {
      fail(431, "the request's headers are too large");
    } else if (code == HPE_INVALID_METHOD && !started_) {
      fail(400, "this is not HTTP");
    } else {
      fail(400, http_errno_description(code));
    }
  }
  return used;
}

int RequestParser::fail(int status, const char* text) {
  if (error_ == 0) {
    error_ = status;
    errorText_ = text;
  }
  return -1;  // not 1: for on_headers_complete that would mean "there is no body"
}

int RequestParser::onHeaderName(std::string_view part) {
  if (headDone_) {  // of a chunked body's trailer
    headBytes_ += part.size() + 4;
    return headBytes_ > limits_.bytes ? fail(431, "the request's trailer is too large") : 0;
  }
  if (inValue_ && endHeader() != 0) return -1;
  headBytes_ += part.size();
  if (headBytes_ > limits_.bytes) return fail(431, "the request's headers are too large");
  name_.append(part);
  return 0;
}

int RequestParser::onHeaderValue(std::string_view part) {
  headBytes_ += part.size();
  if (headBytes_ > limits_.bytes) return fail(431, "the request's headers are too large");
  if (headDone_) return 0;
  inValue_ = true;
  value_.append(part);
  return 0;
}

int RequestParser::endHeader() {
  if (++headerCount_ > limits_.headers) return fail(431, "the request has too many headers");
  for (std::size_t i = 0; i < kHeaders; ++i) {
    if (!equalsIgnoreCase(name_, kNames[i])) continue;
    std::string& slot = request_.headers[i];
    if (i == static_cast<std::size_t>(Header::host)) {
      if (sawHost_) return fail(400, "the request has two Host headers");
      sawHost_ = true;
    }
    if (!slot.empty()) slot += ", ";
    slot += trim(value_);
    break;
  }
  name_.clear();
  value_.clear();
  inValue_ = false;
  return 0;
}

int RequestParser::endHead() {
  if (!name_.empty() && endHeader() != 0) return -1;
  headDone_ = true;
  if (parser_.http_major != 1) return fail(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  request_.http10 = parser_.http_minor == 0;
  if (!request_.http10 && !sawHost_) return fail(400, "the request has no Host header");
  request_.method = methodOf(parser_.method);
  request_.keepAlive = http_should_keep_alive(&parser_) != 0 && parser_.method != HTTP_CONNECT;
  request_.hasBody =
      (parser_.flags & F_CHUNKED) != 0 || (parser_.content_length > 0 && parser_.content_length != UINT64_MAX);
  if (parser_.content_length != UINT64_MAX && parser_.content_length > limits_.body) {
    return fail(413, "the request has too large a body");
  }
  if (parser_.method != HTTP_CONNECT) parser_.upgrade = 0;  // no other protocol is spoken here: go on in this one
  request_.holdsBody =
      request_.hasBody && !request_.http10 && equalsIgnoreCase(request_.header(Header::expect), "100-continue");
  if (!request_.holdsBody) return 0;
  request_.keepAlive = false;
  return 1;  // there is no body
}

}  // namespace vcfs::httpd
