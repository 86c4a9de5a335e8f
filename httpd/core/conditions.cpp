#include "httpd/core/conditions.h"

#include <optional>

#include "httpd/core/http_date.h"
#include "httpd/core/text.h"

namespace vcfs::httpd {
namespace {

// Takes the next entity tag off the front of `list`; nullopt at its end or where it is malformed.
struct Tag {
  bool weak = false;
  std::string_view quoted;
};

std::optional<Tag> nextTag(std::string_view& list) {
  while (!list.empty() && (list.front() == ' ' || list.front() == '\t' || list.front() == ',')) list.remove_prefix(1);
  Tag tag;
  if (list.substr(0, 2) == "W/") {
    tag.weak = true;
    list.remove_prefix(2);
  }
  if (list.empty() || list.front() != '"') return std::nullopt;
  std::size_t end = list.find('"', 1);
  if (end == std::string_view::npos) return std::nullopt;
  tag.quoted = list.substr(0, end + 1);
  list.remove_prefix(end + 1);
  return tag;
}

}  // namespace

bool etagListMatches(std::string_view list, std::string_view etag, bool weak) {
  if (trim(list) == "*") return true;
  while (std::optional<Tag> tag = nextTag(list)) {
    if (tag->quoted == etag && (weak || !tag->weak)) return true;
  }
  return false;
}

Condition evaluate(const ConditionalHeaders& headers, const Validators& current) {
  if (!headers.ifMatch.empty()) {
    if (!etagListMatches(headers.ifMatch, current.etag, false)) return Condition::preconditionFailed;
  } else if (!headers.ifUnmodifiedSince.empty()) {
    std::optional<std::int64_t> date = parseHttpDate(trim(headers.ifUnmodifiedSince));
    if (date && current.lastModified > *date) return Condition::preconditionFailed;
  }
  if (!headers.ifNoneMatch.empty()) {
    return etagListMatches(headers.ifNoneMatch, current.etag, true) ? Condition::notModified : Condition::proceed;
  }
  if (!headers.ifModifiedSince.empty() && current.dateIsStrong) {
    std::optional<std::int64_t> date = parseHttpDate(trim(headers.ifModifiedSince));
    if (date && current.lastModified <= *date) return Condition::notModified;
  }
  return Condition::proceed;
}

bool rangeApplies(const ConditionalHeaders& headers, const Validators& current) {
  std::string_view value = trim(headers.ifRange);
  if (value.empty()) return true;
  if (value.front() == '"') return value == current.etag;
  if (value.substr(0, 2) == "W/") return false;
  std::optional<std::int64_t> date = parseHttpDate(value);
  return date && current.dateIsStrong && *date == current.lastModified;
}

}  // namespace vcfs::httpd
