#include "httpd/core/metrics.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "common/base/error.h"

namespace vcfs::httpd {
namespace {

// As a tracker tells it, shortened.
constexpr const char* kStatus = R"({
  "cluster": "c1", "tracker": "h1:1", "catalog": "sqlite", "version": "0.1.0", "coordinator": "h2:1",
  "trackers": [{"address": "h1:1", "state": "up", "coordinator": false},
               {"address": "h2:1", "state": "unreachable", "coordinator": true}],
  "idservers": [{"address": "h1:11", "state": "up"}],
  "storages": [
    {"id": 1, "name": "s1", "group": "g1", "zone": "h1", "address": "h1:101", "state": "up", "data": "/d1",
     "capacity_bytes": 1000, "free_bytes": 900, "live_files": 3, "bytes_to_go": 0, "load_bytes_per_second": 50,
     "draining": false, "away_seconds": 0},
    {"id": 2, "name": "s\"2", "group": "g1", "zone": "h2", "address": "h2:101", "state": "unreachable", "data": "/d2",
     "capacity_bytes": 2000, "free_bytes": 5, "live_files": 0, "bytes_to_go": 77, "load_bytes_per_second": 0,
     "draining": true, "away_seconds": 61, "files_left": 4, "bytes_left": 400, "only_here": 1, "to_delete": 2,
     "drained": false}],
  "httpds": [{"address": "h1:81", "state": "up", "host": "h1", "client": "0xa"}],
  "mounts": [{"address": "10.0.0.1:50123", "state": "up", "host": "rec1", "client": "0xb", "path": "/mnt/vcstore"}],
  "files": {"live": 3, "degraded": 2, "bytes_to_go": 4096, "inodes": 123}})";

// The samples, without what explains them.
std::set<std::string> samples(const std::string& text) {
  std::set<std::string> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) continue;
    EXPECT_TRUE(out.insert(line).second) << line;
  }
  return out;
}

TEST(Metrics, declarations_are_as_prometheus_wants_them) {
  std::set<std::string_view> names;
  for (const Metric& metric : allMetrics()) {
    const std::string name(metric.name), help(metric.help);
    EXPECT_TRUE(names.insert(metric.name).second) << name << " is declared twice";
    EXPECT_TRUE(std::regex_match(name, std::regex("vcfs_[a-z][a-z0-9_]*"))) << name;
    EXPECT_EQ(name.ends_with("_total"), metric.type == MetricType::counter) << name;
    EXPECT_TRUE(std::regex_match(help, std::regex("[^\\\\\\n]+ \\[[^\\[\\]]+\\]"))) << name << ": no unit in " << help;
  }
}

TEST(Metrics, own_and_storage_metrics_carry_the_names_of_the_json) {
  for (const OwnMetric& own : kOwnMetrics) EXPECT_TRUE(own.metric.name.starts_with(kOwnPrefix)) << own.metric.name;
  for (const Metric& metric : kStorageMetrics) EXPECT_TRUE(metric.name.starts_with(kStoragePrefix)) << metric.name;
  EXPECT_EQ(ownKey({"vcfs_httpd_sent_bytes_total", MetricType::counter, ""}), "sent_bytes");
  EXPECT_EQ(ownKey({"vcfs_httpd_connections", MetricType::gauge, ""}), "connections");
  EXPECT_EQ(storageKey({"vcfs_storage_free_bytes", MetricType::gauge, ""}), "free_bytes");
}

TEST(Metrics, what_the_server_counts) {
  Figures f;
  f.counters = {.requests = 1, .connections = 2, .accepted = 3, .refused = 4, .sentBytes = 5, .liveStreams = 6};
  f.counters.droppedSlow = 7;
  f.cacheBytes = 8;
  f.cacheHits = 9;
  f.cacheMisses = 10;
  const std::set<std::string> expected = {
      "vcfs_httpd_info{version=\"1.2\"} 1", "vcfs_httpd_requests_total 1",     "vcfs_httpd_connections 2",
      "vcfs_httpd_accepted_total 3",        "vcfs_httpd_refused_total 4",      "vcfs_httpd_sent_bytes_total 5",
      "vcfs_httpd_live_streams 6",          "vcfs_httpd_dropped_slow_total 7", "vcfs_httpd_cache_bytes 8",
      "vcfs_httpd_cache_hits_total 9",      "vcfs_httpd_cache_misses_total 10"};
  EXPECT_EQ(samples(ownText(f, "1.2")), expected);
}

TEST(Metrics, what_a_tracker_tells) {
  const std::set<std::string> expected = {"vcfs_cluster_reachable 1",
                                          "vcfs_cluster_info{cluster=\"c1\",catalog=\"sqlite\",version=\"0.1.0\"} 1",
                                          "vcfs_up{role=\"tracker\",address=\"h1:1\",name=\"\"} 1",
                                          "vcfs_up{role=\"tracker\",address=\"h2:1\",name=\"\"} 0",
                                          "vcfs_up{role=\"idserver\",address=\"h1:11\",name=\"\"} 1",
                                          "vcfs_up{role=\"storage\",address=\"h1:101\",name=\"s1\"} 1",
                                          "vcfs_up{role=\"storage\",address=\"h2:101\",name=\"s\\\"2\"} 0",
                                          "vcfs_up{role=\"httpd\",address=\"h1:81\",name=\"h1\"} 1",
                                          "vcfs_up{role=\"mount\",address=\"rec1\",name=\"/mnt/vcstore\"} 1",
                                          "vcfs_tracker_coordinator{address=\"h1:1\"} 0",
                                          "vcfs_tracker_coordinator{address=\"h2:1\"} 1",
                                          "vcfs_storage_capacity_bytes{storage=\"s1\",group=\"g1\"} 1000",
                                          "vcfs_storage_free_bytes{storage=\"s1\",group=\"g1\"} 900",
                                          "vcfs_storage_bytes_to_go{storage=\"s1\",group=\"g1\"} 0",
                                          "vcfs_storage_live_files{storage=\"s1\",group=\"g1\"} 3",
                                          "vcfs_storage_load_bytes_per_second{storage=\"s1\",group=\"g1\"} 50",
                                          "vcfs_storage_draining{storage=\"s1\",group=\"g1\"} 0",
                                          "vcfs_storage_away_seconds{storage=\"s1\",group=\"g1\"} 0",
                                          "vcfs_storage_capacity_bytes{storage=\"s\\\"2\",group=\"g1\"} 2000",
                                          "vcfs_storage_free_bytes{storage=\"s\\\"2\",group=\"g1\"} 5",
                                          "vcfs_storage_bytes_to_go{storage=\"s\\\"2\",group=\"g1\"} 77",
                                          "vcfs_storage_live_files{storage=\"s\\\"2\",group=\"g1\"} 0",
                                          "vcfs_storage_load_bytes_per_second{storage=\"s\\\"2\",group=\"g1\"} 0",
                                          "vcfs_storage_draining{storage=\"s\\\"2\",group=\"g1\"} 1",
                                          "vcfs_storage_drained{storage=\"s\\\"2\",group=\"g1\"} 0",
                                          "vcfs_storage_away_seconds{storage=\"s\\\"2\",group=\"g1\"} 61",
                                          "vcfs_storage_files_left{storage=\"s\\\"2\",group=\"g1\"} 4",
                                          "vcfs_storage_bytes_left{storage=\"s\\\"2\",group=\"g1\"} 400",
                                          "vcfs_storage_only_here{storage=\"s\\\"2\",group=\"g1\"} 1",
                                          "vcfs_storage_to_delete{storage=\"s\\\"2\",group=\"g1\"} 2",
                                          "vcfs_files{state=\"live\"} 3",
                                          "vcfs_files{state=\"degraded\"} 2",
                                          "vcfs_files_bytes_to_go 4096",
                                          "vcfs_inodes 123"};
  EXPECT_EQ(samples(clusterText(kStatus)), expected);
}

TEST(Metrics, a_mount_that_two_trackers_still_list_is_one_sample) {
  const std::string mount = R"({"address":"h:1","state":"up","host":"rec1","path":"/m"})";
  const std::string text = clusterText(R"({"mounts":[)" + mount + "," + mount + "]}");
  EXPECT_EQ(samples(text).count("vcfs_up{role=\"mount\",address=\"rec1\",name=\"/m\"} 1"), 1u);
}

TEST(Metrics, what_a_tracker_does_not_tell_is_left_out) {
  const std::set<std::string> nothing = {"vcfs_cluster_reachable 1",
                                         "vcfs_cluster_info{cluster=\"\",catalog=\"\",version=\"\"} 1"};
  EXPECT_EQ(samples(clusterText("{}")), nothing);
  EXPECT_EQ(samples(clusterText(R"({"storages":"none","mounts":{"a":1},"files":[1],"trackers":[7],"version":3})")),
            nothing);
  std::set<std::string> storage = nothing;
  storage.insert("vcfs_up{role=\"storage\",address=\"\",name=\"s1\"} 0");
  storage.insert("vcfs_storage_free_bytes{storage=\"s1\",group=\"\"} 5");
  EXPECT_EQ(samples(clusterText(R"({"storages":[{"name":"s1","free_bytes":5,"capacity_bytes":-1,"draining":"no"}]})")),
            storage);
}

TEST(Metrics, what_is_no_status_is_refused) {
  for (const char* text : {"", "[]", "7", "{\"files\":", "nonsense"}) EXPECT_THROW(clusterText(text), Error) << text;
}

TEST(Metrics, a_cluster_that_is_away) {
  const std::string text = unreachableText();
  EXPECT_EQ(samples(text), std::set<std::string>{"vcfs_cluster_reachable 0"});
  EXPECT_NE(text.find("# TYPE vcfs_cluster_reachable gauge\n"), std::string::npos);
}

}  // namespace
}  // namespace vcfs::httpd
