// Clients that mean no good: each gets a 4xx or is cut off, and the next one is served as if nothing had been.
#include "tests/unit/httpd/http_fixture.h"

namespace vcfs::httpd::test {
namespace {

using namespace std::chrono_literals;

class HostileTest : public HttpFixture {
 protected:
  void SetUp() override {
    HttpFixture::SetUp();
    file("a/x", "hello");
  }
  void TearDown() override {
    EXPECT_EQ(get("/a/x").body, "hello");
    HttpFixture::TearDown();
  }
  int statusOf(const std::string& raw) {
    RawClient client = connect();
    client.send(raw);
    return client.read().status;
  }
};

TEST_F(HostileTest, paths_that_lead_out_are_400) {
  for (const char* target : {"/../etc/passwd", "/a/../../x", "/a/%2e%2e/x", "/a%00x", "/%2fetc", "/a/%zz", "x"}) {
    int status = get(target).status;
    EXPECT_EQ(status, 400) << target;
  }
  EXPECT_EQ(statusOf(std::string("GET /a\0x HTTP/1.1\r\nHost: h\r\n\r\n", 31)), 400);
}

TEST_F(HostileTest, bad_ranges_are_416) {
  std::string many = "bytes=";
  for (int i = 0; i < 1000; ++i) many += "0-,";
  for (const std::string& range : {std::string("bytes=a-b"), std::string("bytes=5-1"), std::string("bytes=-"), many}) {
    EXPECT_EQ(get("/a/x", "Range: " + range + "\r\n").status, 416) << range.substr(0, 30);
  }
}

TEST_F(HostileTest, endless_headers_are_431_and_the_connection_ends) {
  RawClient client = connect();
  client.send("GET /a/x HTTP/1.1\r\nHost: h\r\n");
  bool accepted = true;
  for (int i = 0; i < 100'000 && accepted; ++i)
    accepted = client.send("X-Header-" + std::to_string(i) + ": and so on\r\n");
  EXPECT_FALSE(accepted && !client.read().status);
  RawClient one = connect();
  one.send("GET /a/x HTTP/1.1\r\nHost: h\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n");
  EXPECT_EQ(one.read().status, 431);
  EXPECT_TRUE(one.ended());
}

TEST_F(HostileTest, a_huge_uri_is_414) {
  EXPECT_EQ(statusOf("GET /" + std::string(10'000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n"), 414);
}

TEST_F(HostileTest, what_is_not_http_is_400) {
  EXPECT_EQ(statusOf("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 400);
  EXPECT_EQ(statusOf("SSH-2.0-OpenSSH\r\n"), 400);
  EXPECT_EQ(statusOf("GET /a/x HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(statusOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400);
}

TEST_F(HostileTest, a_large_body_is_413) {
  EXPECT_EQ(statusOf("POST /a/x HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999999\r\n\r\n"), 413);
}

TEST_F(HostileTest, a_request_that_drips_is_408) {
  HttpOptions options;
  options.headTimeout = 200ms;
  options.idleTimeout = 10s;
  start(options);
  file("a/x", "hello");
  RawClient client = connect();
  client.send("GET /a/x HTTP/1.1\r\nHost");
  EXPECT_EQ(client.read().status, 408);
  EXPECT_TRUE(client.ended());
  EXPECT_FALSE(client.wasReset());
}

TEST_F(HostileTest, a_body_that_waits_to_be_asked_for_is_refused_without_it) {
  for (const char* then : {"", "hello", "hello GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n"}) {
    RawClient client = connect();
    client.send("PUT /a/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    Response r = client.read();
    EXPECT_EQ(r.status, 405);
    EXPECT_EQ(r["connection"], "close");
    client.send(then);
    EXPECT_TRUE(client.ended()) << then;
    EXPECT_FALSE(client.wasReset()) << then;
  }
}

TEST_F(HostileTest, an_idle_connection_is_closed_after_its_time) {
  HttpOptions options;
  options.idleTimeout = 200ms;
  start(options);
  file("a/x", "hello");
  RawClient silent = connect();
  RawClient used = connect();
  EXPECT_EQ(used.request("GET", "/a/x").status, 200);
  EXPECT_TRUE(silent.ended());
  EXPECT_TRUE(used.ended());
}

TEST_F(HostileTest, more_connections_than_allowed_get_503) {
  HttpOptions options;
  options.maxConnections = 3;
  start(options);
  file("a/x", "hello");
  {
    std::vector<RawClient> clients;
    for (int i = 0; i < 3; ++i) {
      clients.push_back(connect());
      EXPECT_EQ(clients.back().request("GET", "/a/x").status, 200);
    }
    RawClient fourth = connect();
    EXPECT_EQ(fourth.read().status, 503);
    EXPECT_EQ(clients[0].request("GET", "/a/x").status, 200);
  }
  EXPECT_TRUE(eventually([this] { return server().counters().connections == 0; }));
}

TEST_F(HostileTest, clients_that_reset_at_any_moment_leave_nothing_behind) {
  file("a/big", pattern(4'000'000));
  std::mt19937_64 random(6);
  for (int i = 0; i < 200; ++i) {
    RawClient client = connect();
    std::string text = "GET /a/big HTTP/1.1\r\nHost: h\r\n\r\n";
    client.send(text.substr(0, random() % (text.size() + 1)));
    if (random() % 3 == 0) {
      RawClient whole = connect();
      whole.send(text);
      whole.some();
      whole.reset();
    }
    client.reset();
  }
  EXPECT_TRUE(eventually([this] { return server().counters().connections == 0; }));
  EXPECT_EQ(onLoop([this] { return cluster().openFiles; }), 0);
}

TEST_F(HostileTest, random_garbage_never_stops_the_server) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; ++round) {
    RawClient client = connect();
    std::string bytes = random() % 2 == 0 ? "GET /a/x HTTP/1.1\r\nHost: h\r\n" : "";
    for (int n = static_cast<int>(random() % 400); n > 0; --n) {
      bytes += random() % 4 == 0 ? static_cast<char>(random()) : "GET /:\r\n ax%.."[random() % 15];
    }
    client.send(bytes);
  }
  EXPECT_TRUE(eventually([this] { return server().counters().connections == 0; }));
}

}  // namespace
}  // namespace vcfs::httpd::test
