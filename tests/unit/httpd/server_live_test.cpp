// ?live=1: following a recording over HTTP.
#include "tests/unit/httpd/http_fixture.h"

namespace vcfs::httpd::test {
namespace {

using namespace std::chrono_literals;

class LiveTest : public HttpFixture {};

TEST_F(LiveTest, follows_from_the_start_and_ends_when_sealed) {
  InodeId inode = file("a/live.ts", "first", FileState::open);
  RawClient client = connect();
  client.send("GET /a/live.ts?live=1 HTTP/1.1\r\nHost: h\r\n\r\n");
  Response head = client.readHead();
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head["transfer-encoding"], "chunked");
  EXPECT_EQ(head["content-type"], "video/mp2t");
  EXPECT_EQ(head["x-vcfs-state"], "open");
  EXPECT_EQ(client.chunk(), "first");
  for (int i = 0; i < 50; ++i) {
    std::string part = pattern(32768, static_cast<unsigned>(i));
    onLoop([&] { cluster().append(inode, part); });
    std::string got;
    while (got.size() < part.size()) {
      std::string piece = client.chunk();
      ASSERT_FALSE(piece.empty());
      got += piece;
    }
    EXPECT_TRUE(got == part);
  }
  onLoop([&] { cluster().seal(inode); });
  EXPECT_EQ(client.chunk(), "");
  EXPECT_EQ(client.request("GET", "/healthz").status, 200);  // the connection stays
  EXPECT_EQ(onLoop([this] { return cluster().openFiles; }), 0);
}

TEST_F(LiveTest, starts_where_it_is_asked_to) {
  InodeId inode = file("a/live", "0123456789", FileState::open);
  RawClient client = connect();
  client.send("GET /a/live?live=1&from=7 HTTP/1.1\r\nHost: h\r\n\r\n");
  client.readHead();
  EXPECT_EQ(client.chunk(), "789");
  onLoop([&] { cluster().seal(inode, FileState::recovered); });
  EXPECT_EQ(client.chunk(), "");
}

TEST_F(LiveTest, a_sealed_file_comes_whole_and_ends) {
  std::string content = pattern(1'000'000);
  file("a/done", content);
  Response r = get("/a/done?live=1");
  EXPECT_TRUE(r.complete);
  EXPECT_TRUE(r.body == content);
}

TEST_F(LiveTest, a_sealed_file_that_is_overwritten_meanwhile_breaks_off_and_mixes_nothing) {
  const std::string before = pattern(16'000'000, 1), after = pattern(16'000'000, 2);
  InodeId inode = file("a/done", before);
  RawClient client(server().address(), 4096);
  client.send("GET /a/done?live=1 HTTP/1.1\r\nHost: h\r\n\r\n");
  ASSERT_EQ(client.readHead().status, 200);
  std::string body = client.chunk();
  onLoop([&] { cluster().replaceContent(inode, after); });
  for (std::string part; !(part = client.chunk()).empty();) body += part;
  EXPECT_LT(body.size(), before.size());
  EXPECT_TRUE(body == before.substr(0, body.size())) << "not a byte of the other version";
  EXPECT_TRUE(client.wasReset());
}

TEST_F(LiveTest, http_1_0_gets_the_bytes_until_the_connection_ends) {
  InodeId inode = file("a/live", "abc", FileState::open);
  RawClient client = connect();
  client.send("GET /a/live?live=1 HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.exactly(12).substr(0, 12), "HTTP/1.1 200");
  onLoop([&] {
    cluster().append(inode, "def");
    cluster().seal(inode);
  });
  std::string all;
  for (std::string part; !(part = client.some()).empty();) all += part;
  EXPECT_EQ(all.substr(all.find("\r\n\r\n") + 4), "abcdef");
  EXPECT_FALSE(client.wasReset());
}

TEST_F(LiveTest, http_1_0_sees_a_reset_where_the_stream_breaks_off) {
  InodeId inode = file("a/live", "abc", FileState::open);
  RawClient client = connect();
  client.send("GET /a/live?live=1 HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.readHead().status, 200);
  EXPECT_EQ(client.exactly(3), "abc");
  onLoop([&] { cluster().replaceContent(inode, "a"); });
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(client.wasReset());
}

TEST_F(LiveTest, bad_starts_are_refused) {
  file("a/live", "abc", FileState::open);
  EXPECT_EQ(get("/a/live?live=1&from=x").status, 400);
  EXPECT_EQ(get("/a/live?live=1&from=-1").status, 400);
  Response beyond = get("/a/live?live=1&from=4");
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(beyond["content-range"], "bytes */3");
}

TEST_F(LiveTest, a_client_that_leaves_frees_everything_although_nothing_grows) {
  file("a/live", "abc", FileState::open);
  {
    RawClient client = connect();
    client.send("GET /a/live?live=1 HTTP/1.1\r\nHost: h\r\n\r\n");
    client.readHead();
    client.chunk();
    EXPECT_EQ(counters().liveStreams, 1u);
  }
  EXPECT_TRUE(eventually([this] { return server().counters().connections == 0; }));
  EXPECT_EQ(counters().liveStreams, 0u);
  EXPECT_EQ(onLoop([this] { return cluster().openFiles; }), 0);
}

TEST_F(LiveTest, a_recording_that_is_truncated_breaks_the_stream_off) {
  InodeId inode = file("a/live", "abcdef", FileState::open);
  RawClient client = connect();
  client.send("GET /a/live?live=1 HTTP/1.1\r\nHost: h\r\n\r\n");
  client.readHead();
  EXPECT_EQ(client.chunk(), "abcdef");
  onLoop([&] { cluster().replaceContent(inode, "a"); });
  EXPECT_TRUE(client.ended());
}

TEST_F(LiveTest, a_recording_that_is_lost_breaks_the_stream_off) {
  InodeId inode = file("a/live", "abcdef", FileState::open);
  RawClient client = connect();
  client.send("GET /a/live?live=1 HTTP/1.1\r\nHost: h\r\n\r\n");
  client.readHead();
  EXPECT_EQ(client.chunk(), "abcdef");
  onLoop([&] { cluster().seal(inode, FileState::lost); });
  EXPECT_TRUE(client.ended());
}

TEST_F(LiveTest, what_cannot_be_read_at_first_is_an_error_and_not_a_broken_stream) {
  file("a/done", "abcdef");
  file("a/live", "abcdef", FileState::open);
  onLoop([&] { cluster().failReads = Error(Errc::unavailable, "storage away"); });
  for (const char* target : {"/a/done?live=1", "/a/done?live=1&from=5", "/a/live?live=1"}) {
    Response r = get(target);
    EXPECT_EQ(r.status, 503) << target;
    EXPECT_EQ(r["retry-after"], "2");
  }
  EXPECT_EQ(get("/a/done?live=1&from=6").status, 200) << "there is nothing to read";
}

TEST_F(LiveTest, head_ends_at_once) {
  file("a/live", "abc", FileState::open);
  EXPECT_EQ(get("/a/live?live=1", "", "HEAD").status, 200);
}

TEST_F(LiveTest, shutting_down_ends_followers) {
  file("a/live", "abc", FileState::open);
  RawClient client = connect();
  client.send("GET /a/live?live=1 HTTP/1.1\r\nHost: h\r\n\r\n");
  client.readHead();
  client.chunk();
  stop();
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(client.wasReset());
}

}  // namespace
}  // namespace vcfs::httpd::test
