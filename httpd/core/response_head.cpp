#include "httpd/core/response_head.h"

namespace vcfs::httpd {

std::string_view reasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 410:
      return "Gone";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 416:
      return "Range Not Satisfiable";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

ResponseHead::ResponseHead(int status, bool http10) : http10_(http10) {
  text_.reserve(640);
  text_ += "HTTP/1.1 ";
  text_ += std::to_string(status);
  text_ += ' ';
  text_ += reasonOf(status);
  text_ += "\r\nServer: vcfs\r\n";
}

ResponseHead& ResponseHead::add(std::string_view name, std::string_view value) {
  text_ += name;
  text_ += ": ";
  text_ += value;
  text_ += "\r\n";
  return *this;
}

ResponseHead& ResponseHead::add(std::string_view name, std::uint64_t value) { return add(name, std::to_string(value)); }

ResponseHead& ResponseHead::addLines(std::string_view lines) {
  text_ += lines;
  return *this;
}

std::string ResponseHead::finish(bool keepAlive) {
  if (!keepAlive) {
    text_ += "Connection: close\r\n";
  } else if (http10_) {
    text_ += "Connection: keep-alive\r\n";
  }
  text_ += "\r\n";
  return std::move(text_);
}

std::string corsLines(std::string_view origin) {
  if (origin.empty()) return {};
  return "Access-Control-Allow-Origin: " + std::string(origin) +
         "\r\nAccess-Control-Expose-Headers: Content-Range, Content-Length, Accept-Ranges, ETag, Last-Modified, "
         "X-Vcfs-State\r\n";
}

std::string preflightLines(std::string_view origin) {
  if (origin.empty()) return {};
  return "Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"
         "Access-Control-Allow-Headers: Range, If-Range, If-Match, If-None-Match, If-Modified-Since, "
         "If-Unmodified-Since, Accept, Cache-Control\r\n"
         "Access-Control-Max-Age: 86400\r\n";
}

}  // namespace vcfs::httpd
