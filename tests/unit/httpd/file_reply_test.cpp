#include "httpd/core/file_reply.h"

#include <gtest/gtest.h>

#include "httpd/core/http_date.h"

namespace vcfs::httpd {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMtime = 1'700'000'000 * kSecond + kSecond / 2;
constexpr std::int64_t kNow = kMtime + 3600 * kSecond;

Attr attr(std::uint64_t size, FileState state = FileState::closed) {
  Attr a;
  a.inode = 0x400;
  a.type = FileType::regular;
  a.size = size;
  a.changeId = 7;
  a.mtimeNs = kMtime;
  a.state = state;
  return a;
}

Request with(Header header, const std::string& value) {
  Request request;
  request.method = Method::get;
  request.headers[static_cast<std::size_t>(header)] = value;
  return request;
}

bool has(const FileReply& reply, const std::string& line) {
  return reply.headers.find(line + "\r\n") != std::string::npos;
}

TEST(FileReply, a_plain_request_gets_everything_with_its_metadata) {
  FileReply reply = replyToFile(Request(), attr(1000), kNow, "a.mp4", "b");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.bodyBytes, 1000u);
  ASSERT_EQ(reply.segments.size(), 1u);
  EXPECT_TRUE(has(reply, "Content-Type: video/mp4"));
  EXPECT_TRUE(has(reply, "Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT"));
  EXPECT_TRUE(has(reply, "Accept-Ranges: bytes"));
  EXPECT_TRUE(has(reply, "X-Vcfs-State: closed"));
  EXPECT_TRUE(has(reply, "ETag: " + etagOf(attr(1000))));
}

// What is changed once more in the same second has the same date: who kept a part of a recording would be told for ever
// that he has it all.
TEST(FileReply, there_is_no_date_before_its_second_is_over) {
  Request dated = with(Header::ifModifiedSince, formatHttpDate(kMtime / kSecond));
  for (std::int64_t ago : {-3600 * kSecond, std::int64_t{0}, kSecond / 2 - 1}) {
    EXPECT_EQ(replyToFile(Request(), attr(1000), kMtime + ago, "a", "b").headers.find("Last-Modified"),
              std::string::npos)
        << ago;
    EXPECT_EQ(replyToFile(dated, attr(1000), kMtime + ago, "a", "b").status, 200) << ago;
  }
  EXPECT_NE(replyToFile(Request(), attr(1000), kMtime + kSecond / 2, "a", "b").headers.find("Last-Modified"),
            std::string::npos);
  EXPECT_EQ(replyToFile(dated, attr(1000), kMtime + kSecond / 2, "a", "b").status, 304);
}

TEST(FileReply, a_file_that_is_being_recorded_has_no_date) {
  FileReply reply = replyToFile(Request(), attr(1000, FileState::open), kNow, "a", "b");
  EXPECT_EQ(reply.headers.find("Last-Modified"), std::string::npos);
  EXPECT_TRUE(has(reply, "ETag: " + etagOf(attr(1000))));
}

TEST(FileReply, one_range) {
  FileReply reply = replyToFile(with(Header::range, "bytes=100-199"), attr(1000), kNow, "a", "b");
  EXPECT_EQ(reply.status, 206);
  EXPECT_EQ(reply.bodyBytes, 100u);
  EXPECT_EQ(reply.segments[0].offset, 100u);
  EXPECT_TRUE(has(reply, "Content-Range: bytes 100-199/1000"));
}

TEST(FileReply, several_ranges_are_framed_and_the_length_counts_the_frames) {
  FileReply reply = replyToFile(with(Header::range, "bytes=0-9,500-509"), attr(1000), kNow, "a.txt", "B");
  EXPECT_EQ(reply.status, 206);
  EXPECT_TRUE(has(reply, "Content-Type: multipart/byteranges; boundary=B"));
  ASSERT_EQ(reply.segments.size(), 3u);
  EXPECT_EQ(reply.segments[1].before,
            "\r\n--B\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 500-509/1000\r\n\r\n");
  EXPECT_EQ(reply.segments[2].before, "\r\n--B--\r\n");
  std::uint64_t sum = 0;
  for (const Segment& segment : reply.segments) sum += segment.before.size() + segment.length;
  EXPECT_EQ(reply.bodyBytes, sum);
}

TEST(FileReply, unsatisfiable_says_how_large_the_file_is) {
  FileReply reply = replyToFile(with(Header::range, "bytes=1000-"), attr(1000), kNow, "a", "b");
  EXPECT_EQ(reply.status, 416);
  EXPECT_TRUE(has(reply, "Content-Range: bytes */1000"));
  EXPECT_EQ(reply.bodyBytes, 0u);
}

TEST(FileReply, a_range_means_nothing_to_head) {
  for (const char* range : {"bytes=100-199", "bytes=1000-", "bytes=0-9,500-509"}) {
    Request request = with(Header::range, range);
    request.method = Method::head;
    FileReply reply = replyToFile(request, attr(1000), kNow, "a.mp4", "b");
    EXPECT_EQ(reply.status, 200) << range;
    EXPECT_EQ(reply.bodyBytes, 1000u);
    EXPECT_TRUE(has(reply, "Content-Type: video/mp4"));
    EXPECT_EQ(reply.headers.find("Content-Range"), std::string::npos);
  }
}

TEST(FileReply, a_range_of_another_version_gets_everything) {
  Request request = with(Header::range, "bytes=0-9");
  request.headers[static_cast<std::size_t>(Header::ifRange)] = "\"old\"";
  EXPECT_EQ(replyToFile(request, attr(1000), kNow, "a", "b").status, 200);
}

TEST(FileReply, not_modified_and_failed_conditions_have_no_body) {
  FileReply same = replyToFile(with(Header::ifNoneMatch, etagOf(attr(1000))), attr(1000), kNow, "a", "b");
  EXPECT_EQ(same.status, 304);
  EXPECT_TRUE(same.segments.empty());
  EXPECT_EQ(replyToFile(with(Header::ifMatch, "\"old\""), attr(1000), kNow, "a", "b").status, 412);
}

TEST(FileReply, a_growing_file_has_a_new_tag_at_each_size) {
  EXPECT_NE(etagOf(attr(1000, FileState::open)), etagOf(attr(1001, FileState::open)));
}

TEST(FileReply, an_empty_file_is_an_empty_answer) {
  FileReply reply = replyToFile(Request(), attr(0), kNow, "a", "b");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.bodyBytes, 0u);
}

}  // namespace
}  // namespace vcfs::httpd
