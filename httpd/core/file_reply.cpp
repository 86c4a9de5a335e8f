#include "httpd/core/file_reply.h"

#include <spdlog/fmt/fmt.h>

#include "httpd/core/byte_ranges.h"
#include "httpd/core/http_date.h"
#include "httpd/core/mime.h"
#include "schema/state_names.h"

namespace vcfs::httpd {
namespace {

std::string contentRange(const ByteRange& range, std::uint64_t size) {
  return fmt::format("bytes {}-{}/{}", range.offset, range.offset + range.length - 1, size);
}

void multipart(FileReply& reply, const std::vector<ByteRange>& ranges, std::uint64_t size, std::string_view type,
               std::string_view boundary) {
  for (const ByteRange& range : ranges) {
    Segment segment;
    segment.before = fmt::format("{}--{}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
                                 reply.segments.empty() ? "" : "\r\n", boundary, type, contentRange(range, size));
    segment.offset = range.offset;
    segment.length = range.length;
    reply.segments.push_back(std::move(segment));
  }
  Segment end;
  end.before = fmt::format("\r\n--{}--\r\n", boundary);
  reply.segments.push_back(std::move(end));
  reply.headers += fmt::format("Content-Type: multipart/byteranges; boundary={}\r\n", boundary);
}

void single(FileReply& reply, std::uint64_t offset, std::uint64_t length, std::string_view type) {
  Segment segment;
  segment.offset = offset;
  segment.length = length;
  reply.segments.push_back(std::move(segment));
  reply.headers += fmt::format("Content-Type: {}\r\n", type);
}

}  // namespace

std::string etagOf(const Attr& attr) {
  return fmt::format("\"{:x}-{:x}-{:x}\"", attr.inode, static_cast<std::uint64_t>(attr.mtimeNs), attr.size);
}

Validators validatorsOf(const Attr& attr, std::int64_t nowNs) {
  Validators v;
  v.etag = etagOf(attr);
  v.lastModified = wholeSeconds(attr.mtimeNs);
  v.dateIsStrong = attr.state != FileState::open && wholeSeconds(nowNs) > v.lastModified;
  return v;
}

FileReply replyToFile(const Request& request, const Attr& attr, std::int64_t nowNs, std::string_view fileName,
                      std::string_view boundary) {
  Validators current = validatorsOf(attr, nowNs);
  ConditionalHeaders headers = request.conditional();
  FileReply reply;
  // A date that another version may have as well would be given back when that one is the present one.
  if (current.dateIsStrong) reply.headers = fmt::format("Last-Modified: {}\r\n", formatHttpDate(current.lastModified));
  reply.headers += fmt::format("ETag: {}\r\nAccept-Ranges: bytes\r\nCache-Control: no-cache\r\nX-Vcfs-State: {}\r\n",
                               current.etag, nameOf(attr.state));

  Condition condition = evaluate(headers, current);
  if (condition != Condition::proceed) {
    reply.status = condition == Condition::notModified ? 304 : 412;
    return reply;
  }

  std::string_view type = mimeType(fileName);
  RangePlan plan;
  if (request.method == Method::get && rangeApplies(headers, current)) {
    plan = planRanges(request.header(Header::range), attr.size);
  }
  switch (plan.kind) {
    case RangePlan::Kind::unsatisfiable:
      reply.status = 416;
      reply.headers += fmt::format("Content-Range: bytes */{}\r\n", attr.size);
      return reply;
    case RangePlan::Kind::whole:
      single(reply, 0, attr.size, type);
      break;
    case RangePlan::Kind::partial:
      reply.status = 206;
      if (plan.ranges.size() == 1) {
        single(reply, plan.ranges[0].offset, plan.ranges[0].length, type);
        reply.headers += fmt::format("Content-Range: {}\r\n", contentRange(plan.ranges[0], attr.size));
      } else {
        multipart(reply, plan.ranges, attr.size, type, boundary);
      }
      break;
  }
  for (const Segment& segment : reply.segments) reply.bodyBytes += segment.before.size() + segment.length;
  return reply;
}

}  // namespace vcfs::httpd
