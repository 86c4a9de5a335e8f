#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vcfs::httpd {

// What a conditional request is compared with.
struct Validators {
  std::string etag;               // with quotes, strong
  std::int64_t lastModified = 0;  // seconds since the epoch
  bool dateIsStrong = true;       // false while the file may still change within the same second: it proves nothing
};

// The conditional headers as they came; empty when absent.
struct ConditionalHeaders {
  std::string_view ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince, ifRange;
};

enum class Condition { proceed, notModified, preconditionFailed };

// GET and HEAD, in the order of RFC 9110, 13.2.2: If-Match, else If-Unmodified-Since; If-None-Match, else
// If-Modified-Since. A date that cannot be parsed is as good as none.
Condition evaluate(const ConditionalHeaders& headers, const Validators& current);

// Whether a Range header counts: no If-Range, or one that names exactly this version.
bool rangeApplies(const ConditionalHeaders& headers, const Validators& current);

// One tag against a header's list ("*" matches all). Weak comparison ignores a W/ in front.
bool etagListMatches(std::string_view list, std::string_view etag, bool weak);

}  // namespace vcfs::httpd
