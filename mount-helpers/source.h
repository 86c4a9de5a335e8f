#pragma once

#include <string>
#include <vector>

namespace vcfs::mounting {

struct Source {
  std::vector<std::string> trackers;  // "host:port", at least one
  std::string subdirectory;           // "/", "/a/b": absolute, without "." or doubled or trailing slashes
};

// "10.0.0.1:21000,10.0.0.2:/meetings". The port may be left out (21000); an IPv6 address stands in brackets.
// Throws Error(invalid) with what is wrong and how to write it.
Source parseSource(const std::string& text);

}  // namespace vcfs::mounting
