#include "httpd/core/url_path.h"

#include <algorithm>
#include <charconv>

#include "httpd/core/text.h"

namespace vcfs::httpd {
namespace {

int hexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool isUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

// "http://host/path" → "/path"; nullopt when it is neither that nor a path.
std::optional<std::string_view> originForm(std::string_view target) {
  if (!target.empty() && target.front() == '/') return target;
  for (std::string_view scheme : {"http://", "https://"}) {
    if (target.size() < scheme.size() || !equalsIgnoreCase(target.substr(0, scheme.size()), scheme)) continue;
    std::string_view rest = target.substr(scheme.size());
    std::size_t end = rest.find_first_of("/?#");
    if (end == std::string_view::npos) return "/";
    if (rest[end] == '/') return rest.substr(end);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> percentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    int high = hexDigit(text[i + 1]), low = hexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string encodeComponent(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(bytes.size() + 8);
  for (char c : bytes) {
    if (isUnreserved(c)) {
      out += c;
    } else {
      out += '%';
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

std::optional<Target> parseTarget(std::string_view text) {
  std::optional<std::string_view> origin = originForm(text);
  if (!origin) return std::nullopt;
  std::string_view path = origin->substr(0, origin->find('#'));
  Target target;
  if (std::size_t mark = path.find('?'); mark != std::string_view::npos) {
    target.query = std::string(path.substr(mark + 1));
    path = path.substr(0, mark);
  }
  target.trailingSlash = path.back() == '/';
  while (!path.empty()) {
    std::size_t slash = path.find('/');
    std::string_view raw = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (raw.empty()) continue;
    std::optional<std::string> name = percentDecode(raw);
    if (!name || *name == ".." || name->find('/') != std::string::npos || name->find('\0') != std::string::npos) {
      return std::nullopt;
    }
    if (*name == ".") {
      if (path.empty()) target.trailingSlash = true;
      continue;
    }
    target.components.push_back(std::move(*name));
  }
  return target;
}

std::string Target::path() const {
  std::string out;
  for (const std::string& component : components) {
    if (!out.empty()) out += '/';
    out += component;
  }
  return out;
}

std::string Target::urlPath() const {
  std::string out;
  for (const std::string& component : components) out += "/" + encodeComponent(component);
  if (trailingSlash || out.empty()) out += '/';
  return out;
}

std::optional<std::string> queryValue(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    std::string_view item = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), item.size() + 1));
    std::size_t equals = item.find('=');
    if (item.substr(0, equals) != name) continue;
    return equals == std::string_view::npos ? std::string() : percentDecode(item.substr(equals + 1));
  }
  return std::nullopt;
}

std::optional<std::uint64_t> parseFileId(std::string_view text) {
  int base = 10;
  if (text.size() == 16) {
    base = 16;
  } else if (text.substr(0, 2) == "0x") {
    base = 16;
    text.remove_prefix(2);
  }
  std::uint64_t id = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, base);
  if (error != std::errc() || end != text.data() + text.size() || id == 0) return std::nullopt;
  return id;
}

}  // namespace vcfs::httpd
