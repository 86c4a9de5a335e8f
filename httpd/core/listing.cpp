#include "httpd/core/listing.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "httpd/core/file_reply.h"
#include "httpd/core/http_date.h"
#include "httpd/core/text.h"
#include "httpd/core/url_path.h"
#include "schema/state_names.h"

namespace vcfs::httpd {
namespace {

constexpr std::string_view kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color:#222}"
    "h1{font-size:1.2em;word-break:break-all}table{border-collapse:collapse;width:100%}"
    "th{text-align:left;font-weight:600;border-bottom:1px solid #999}td,th{padding:.2em .8em .2em 0}"
    "td.n{word-break:break-all}td.s,th.s{text-align:right;white-space:nowrap}td.d{white-space:nowrap}"
    "tr:hover td{background:#f4f4f4}.open{color:#b00020;font-weight:600}.recovered{color:#9a6700}";

// The weight an Accept header gives to `type`; -1 when it is not named.
double weightOf(std::string_view accept, std::string_view type) {
  for (std::string_view item : splitList(accept)) {
    std::size_t semicolon = item.find(';');
    if (!equalsIgnoreCase(trim(item.substr(0, semicolon)), type)) continue;
    double q = 1;
    while (semicolon != std::string_view::npos) {
      item.remove_prefix(semicolon + 1);
      semicolon = item.find(';');
      std::string_view parameter = trim(item.substr(0, semicolon));
      if (parameter.size() > 2 && (parameter[0] == 'q' || parameter[0] == 'Q') && parameter[1] == '=') {
        q = std::strtod(std::string(parameter.substr(2, 8)).c_str(), nullptr);
      }
    }
    return q;
  }
  return -1;
}

std::string_view typeName(FileType type) {
  switch (type) {
    case FileType::regular:
      return "file";
    case FileType::directory:
      return "directory";
    case FileType::symlink:
      return "symlink";
    default:
      return "other";
  }
}

bool directoriesFirst(const ListedEntry& a, const ListedEntry& b) {
  bool da = a.type == FileType::directory, db = b.type == FileType::directory;
  if (da != db) return da;
  return a.name < b.name;
}

std::string jsonString(const std::string& bytes) {
  return nlohmann::json(bytes).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string linkTo(const ListedEntry& entry) {
  std::string link = encodeComponent(entry.name);
  if (entry.type == FileType::directory) link += '/';
  return link;
}

}  // namespace

ListedEntry listed(DirEntry entry) {
  ListedEntry out;
  out.name = std::move(entry.name);
  out.inode = entry.entry.attr.inode;
  out.size = entry.entry.attr.size;
  out.mtimeNs = entry.entry.attr.mtimeNs;
  out.type = entry.entry.attr.type;
  out.state = entry.entry.attr.state;
  return out;
}

ListingFormat preferredListing(std::string_view accept) {
  double json = weightOf(accept, "application/json");
  double html = std::max(weightOf(accept, "text/html"), weightOf(accept, "application/xhtml+xml"));
  return json > 0 && json > html ? ListingFormat::json : ListingFormat::html;
}

std::string humanSize(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  int unit = 0;
  while (value >= 1023.95 && unit < 6) {
    value /= 1024;
    ++unit;
  }
  return value < 9.95 ? fmt::format("{:.1f} {}", value, kUnits[unit]) : fmt::format("{:.0f} {}", value, kUnits[unit]);
}

Listing::Listing(ListingFormat format, std::string urlPath) : format_(format), urlPath_(std::move(urlPath)) {}

std::string_view Listing::contentType() const {
  return format_ == ListingFormat::json ? "application/json" : "text/html; charset=utf-8";
}

std::string Listing::begin() const {
  std::string decoded = percentDecode(urlPath_).value_or(urlPath_);
  if (format_ == ListingFormat::json) return "{\"path\":" + jsonString(decoded) + ",\"entries\":[";
  std::string title = escapeHtml(decoded);
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>{0}</title><style>{1}</style></head><body>\n<h1>{0}</h1>\n"
      "<table><tr><th>Name</th><th class=\"s\">Size</th><th>Modified (UTC)</th><th>State</th></tr>\n",
      title, kStyle);
  if (urlPath_ != "/") out += "<tr><td class=\"n\"><a href=\"../\">../</a></td><td></td><td></td><td></td></tr>\n";
  return out;
}

void Listing::sort(std::vector<ListedEntry>& entries) { std::sort(entries.begin(), entries.end(), directoriesFirst); }

std::string Listing::rows(std::span<const ListedEntry>& entries) {
  std::string out;
  out.reserve(std::min(entries.size() * 200, kSlice + 2048));
  while (!entries.empty() && out.size() < kSlice) {
    if (format_ == ListingFormat::json) {
      jsonRow(out, entries.front());
    } else {
      htmlRow(out, entries.front());
    }
    entries = entries.subspan(1);
  }
  return out;
}

void Listing::htmlRow(std::string& out, const ListedEntry& entry) const {
  bool regular = entry.type == FileType::regular;
  std::string state = regular ? std::string(nameOf(entry.state)) : "";
  std::string link = linkTo(entry);
  out += fmt::format("<tr><td class=\"n\"><a href=\"{}\">{}{}</a>{}</td>", link, escapeHtml(entry.name),
                     entry.type == FileType::directory ? "/" : "",
                     entry.state == FileState::open ? fmt::format(" <a href=\"{}?live=1\">live</a>", link) : "");
  out += fmt::format("<td class=\"s\">{}</td><td class=\"d\">{}</td><td class=\"{}\">{}</td></tr>\n",
                     regular ? humanSize(entry.size) : "", formatPlainDate(wholeSeconds(entry.mtimeNs)), state, state);
}

void Listing::jsonRow(std::string& out, const ListedEntry& entry) {
  if (!first_) out += ',';
  first_ = false;
  out += fmt::format("\n{{\"name\":{},\"url\":\"{}{}\",\"type\":\"{}\",\"mtime\":\"{}\",\"mtimeNs\":{}",
                     jsonString(entry.name), urlPath_, linkTo(entry), typeName(entry.type),
                     formatIsoDate(wholeSeconds(entry.mtimeNs)), entry.mtimeNs);
  if (entry.type == FileType::regular) {
    out += fmt::format(",\"id\":{},\"size\":{},\"state\":\"{}\"", entry.inode, entry.size, nameOf(entry.state));
  }
  out += '}';
}

std::string Listing::end() const {
  return format_ == ListingFormat::json ? "\n]}\n" : "</table>\n<p>vcfs</p>\n</body></html>\n";
}

}  // namespace vcfs::httpd
