#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "httpd/core/conditions.h"
#include "httpd/core/request_parser.h"
#include "vcfs/types.h"

namespace vcfs::httpd {

// One piece of a body: `before`, then file bytes offset … offset+length-1.
struct Segment {
  std::string before;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// How a request for a file's snapshot is answered. `headers`: lines with CRLF, without what every answer has.
struct FileReply {
  int status = 200;
  std::string headers;
  std::vector<Segment> segments;  // empty: no body
  std::uint64_t bodyBytes = 0;    // of all segments together
};

// "<inode>-<mtime>-<size>" in hex, quoted: see DESIGN.md, "Versions of a file".
std::string etagOf(const Attr& attr);
Validators validatorsOf(const Attr& attr, std::int64_t nowNs);

// 200, 206, 304, 412 or 416 for GET of the file as `attr` says it is now; for HEAD the same as without a Range, which
// means nothing there (RFC 9110, 14.2). `nowNs`: the wall clock; `fileName` gives the media type; `boundary` separates
// the parts of a multipart answer.
FileReply replyToFile(const Request& request, const Attr& attr, std::int64_t nowNs, std::string_view fileName,
                      std::string_view boundary);

}  // namespace vcfs::httpd
