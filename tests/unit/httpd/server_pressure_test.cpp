// Slow and many clients.
#include <sys/resource.h>

#include <fstream>

#include "tests/unit/httpd/http_fixture.h"

namespace vcfs::httpd::test {
namespace {

using namespace std::chrono_literals;

class PressureTest : public HttpFixture {
 protected:
  static long residentKiB() {
    std::ifstream status("/proc/self/status");
    std::string word;
    while (status >> word) {
      if (word == "VmRSS:") {
        long value = 0;
        status >> value;
        return value;
      }
    }
    return 0;
  }

  // A client that takes nothing for a while, then reads all of a file; of a sealed one and of one that is recorded.
  void stopForLong(const std::string& query, const std::function<std::string(RawClient&, std::size_t)>& body) {
    HttpOptions options;
    options.patience = 50ms;
    start(options);
    const std::string content = pattern(16'000'000);
    file("a/sealed", content);
    file("a/open", content, FileState::open);
    int stopped = 0;
    for (const char* path : {"/a/sealed", "/a/open"}) {
      const std::string target = path + query;
      RawClient client(server().address(), 4096);
      client.send("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n");
      client.readHead();
      ++stopped;
      ASSERT_TRUE(eventually([&] { return cluster().pauses == stopped; })) << target;
      EXPECT_TRUE(body(client, content.size()) == content) << target;
      stopped = onLoop([this] { return cluster().pauses; });  // a slow machine may have let it wait once more
    }
  }
};

TEST_F(PressureTest, a_slow_reader_makes_the_server_read_no_further_than_a_little_ahead) {
  file("a/big", pattern(64'000'000));
  RawClient slow(server().address(), 4096);
  slow.send("GET /a/big HTTP/1.1\r\nHost: h\r\n\r\n");
  slow.readHead();
  slow.exactly(100'000);
  ASSERT_TRUE(eventually([this] { return cluster().readBytes > 0; }));
  std::this_thread::sleep_for(100ms);  // time to read on, if it were to
  std::uint64_t before = onLoop([this] { return cluster().readBytes; });
  EXPECT_LT(before, 16'000'000u);
  EXPECT_EQ(get("/healthz").status, 200);  // and nobody else waits for it
}

TEST_F(PressureTest, a_reader_that_takes_nothing_is_dropped) {
  HttpOptions options;
  options.sendTimeout = 300ms;
  start(options);
  file("a/big", pattern(64'000'000));
  RawClient stuck(server().address(), 4096);
  stuck.send("GET /a/big HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(eventually([this] { return server().counters().droppedSlow == 1; }));
  EXPECT_TRUE(eventually([this] { return server().counters().connections == 0; }));
  EXPECT_EQ(onLoop([this] { return cluster().openFiles; }), 0);
}

TEST_F(PressureTest, a_reader_that_stops_for_long_holds_no_read_ahead_and_goes_on_later) {
  stopForLong("", [](RawClient& client, std::size_t size) { return client.exactly(size); });
  EXPECT_EQ(counters().droppedSlow, 0u);
}

TEST_F(PressureTest, a_follower_that_stops_for_long_holds_no_read_ahead_and_goes_on_later) {
  stopForLong("?live=1", [](RawClient& client, std::size_t size) {
    std::string body;
    for (std::string part; body.size() < size && !(part = client.chunk()).empty();) body += part;
    return body;
  });
}

TEST_F(PressureTest, slow_readers_of_many_files_hold_no_memory_beyond_the_cache) {
  HttpOptions options;
  options.cacheBytes = 8 << 20;
  start(options);
  for (int i = 0; i < 40; ++i) file("a/" + std::to_string(i), pattern(3'000'000, static_cast<unsigned>(i)));
  std::vector<RawClient> clients;
  for (int i = 0; i < 40; ++i) {
    clients.emplace_back(server().address(), 4096);
    clients.back().send("GET /a/" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    clients.back().readHead();
  }
  EXPECT_LE(onLoop([this] { return server().site().blocks.bytes(); }), 8u << 20);
  for (int i = 0; i < 40; ++i) {  // evicted meanwhile or not, each gets its own bytes
    EXPECT_TRUE(clients[static_cast<std::size_t>(i)].exactly(3'000'000) == pattern(3'000'000, static_cast<unsigned>(i)))
        << i;
  }
}

TEST_F(PressureTest, ten_thousand_idle_connections_cost_little) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  std::size_t many = std::min<std::size_t>(10'000, (limit.rlim_cur - 200) / 2);  // both ends are in this process
  file("a/x", "hello");
  long before = residentKiB();
  {
    std::vector<RawClient> clients;
    clients.reserve(many);
    for (std::size_t i = 0; i < many; ++i) {
      clients.push_back(connect());
      clients.back().send("GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    for (RawClient& client : clients) ASSERT_EQ(client.read().status, 200);
    EXPECT_EQ(counters().connections, many);
    long perConnection = (residentKiB() - before) * 1024 / static_cast<long>(many);
    RecordProperty("bytes_per_idle_connection", static_cast<int>(perConnection));
#ifndef __SANITIZE_ADDRESS__
    EXPECT_LT(perConnection, 8192) << many << " connections";
#endif
    auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(clients[many / 2].request("GET", "/a/x").body, "hello");
    EXPECT_LT(std::chrono::steady_clock::now() - start, 1s);
  }
  EXPECT_TRUE(eventually([this] { return server().counters().connections == 0; }));
}

}  // namespace
}  // namespace vcfs::httpd::test
