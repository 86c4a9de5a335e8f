#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vcfs::httpd {

inline constexpr std::size_t kMaxTarget = 8192;  // bytes of a request target; more is 414

// A request target, taken apart and decoded.
struct Target {
  std::vector<std::string> components;  // raw bytes; never empty, ".", "..", nor with '/' or NUL in it
  bool trailingSlash = false;           // of a directory; true for "/"
  std::string query;                    // as it came, without '?'

  std::string path() const;     // "user/a/b" for the store
  std::string urlPath() const;  // "/user/a/b" or "/user/a/b/", encoded: safe in a header, in HTML and as a link
};

// nullopt: malformed, to be answered 400 (bad escape, "..", NUL, an encoded '/', no leading '/'). Knows the origin form
// and the absolute form ("http://host/path"). Empty components and "." are dropped.
std::optional<Target> parseTarget(std::string_view target);

// The value of `name` in a query ("live" in "live=1&from=0"), decoded; nullopt when it is not there.
std::optional<std::string> queryValue(std::string_view query, std::string_view name);

std::string encodeComponent(std::string_view bytes);  // everything but unreserved characters as %XX
std::optional<std::string> percentDecode(std::string_view text);

// An id as people write it in /files/<id>: 16 hex digits, 0x…, or decimal. nullopt: none.
std::optional<std::uint64_t> parseFileId(std::string_view text);

}  // namespace vcfs::httpd
