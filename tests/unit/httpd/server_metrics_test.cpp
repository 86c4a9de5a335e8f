// GET /metrics, seen through a socket.
#include <regex>

#include "tests/unit/httpd/http_fixture.h"

namespace vcfs::httpd::test {
namespace {

class ServerMetricsTest : public HttpFixture {
 protected:
  void setStatus(const std::string& status) {
    onLoop([&] { cluster().status = status; });
  }
  static bool has(const Response& r, const std::string& sample) {
    return ("\n" + r.body).find("\n" + sample + "\n") != std::string::npos;
  }
};

TEST_F(ServerMetricsTest, its_own_figures_and_the_clusters_state) {
  setStatus(R"({"storages":[{"name":"s1","group":"g1","address":"h:1","state":"up","free_bytes":5}]})");
  file("a/x", "hello");
  get("/a/x");
  Response r = get("/metrics");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r["content-type"], "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(r["cache-control"], "no-store");
  EXPECT_TRUE(r.complete);
  EXPECT_TRUE(has(r, "vcfs_httpd_requests_total 2")) << r.body;
  EXPECT_TRUE(has(r, "vcfs_cluster_reachable 1")) << r.body;
  EXPECT_TRUE(has(r, "vcfs_up{role=\"storage\",address=\"h:1\",name=\"s1\"} 1")) << r.body;
  EXPECT_TRUE(has(r, "vcfs_storage_free_bytes{storage=\"s1\",group=\"g1\"} 5")) << r.body;
}

TEST_F(ServerMetricsTest, every_line_is_as_the_format_wants_it) {
  setStatus(R"({"storages":[{"name":"s 1\n\"\\","free_bytes":5}],"trackers":[{"address":"h:1","coordinator":true}]})");
  static const std::regex kLine(
      R"(# HELP \w+ [^\\]+|# TYPE \w+ (counter|gauge)|\w+(\{\w+="([^"\\]|\\[\\"n])*"(,\w+="([^"\\]|\\[\\"n])*")*\})? \d+)");
  std::istringstream lines(get("/metrics").body);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_TRUE(std::regex_match(line, kLine)) << line;
  EXPECT_GT(count, 30);
}

TEST_F(ServerMetricsTest, head_has_no_body) {
  Response r = get("/metrics", "", "HEAD");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r["content-type"], "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_GT(std::stoul(r["content-length"]), 500u);
  EXPECT_EQ(r.body, "");
}

TEST_F(ServerMetricsTest, a_cluster_that_is_away_does_not_fail_the_scrape) {
  onLoop([&] { cluster().failNext = Error(Errc::unavailable, "no tracker"); });
  Response r = get("/metrics");
  EXPECT_EQ(r.status, 200);
  EXPECT_TRUE(has(r, "vcfs_cluster_reachable 0")) << r.body;
  EXPECT_TRUE(has(r, "vcfs_httpd_requests_total 1")) << r.body;
  EXPECT_EQ(r.body.find("vcfs_up"), std::string::npos);
}

TEST_F(ServerMetricsTest, however_many_scrape_the_cluster_is_asked_once) {
  onLoop([&] { cluster().holdStatus = true; });
  std::vector<RawClient> clients;
  for (int i = 0; i < 30; ++i) clients.push_back(connect());
  for (RawClient& c : clients) c.send("GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(eventually([this] { return server().counters().requests == 30; }));
  onLoop([&] { cluster().releaseStatus(); });
  for (RawClient& c : clients) EXPECT_EQ(c.read().status, 200);
  EXPECT_EQ(onLoop([&] { return cluster().statusAsked; }), 1);
}

}  // namespace
}  // namespace vcfs::httpd::test
