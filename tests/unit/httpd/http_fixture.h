#pragma once

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "httpd/server/http_server.h"
#include "tests/unit/httpd/fake_cluster.h"
#include "tests/unit/httpd/raw_client.h"

namespace vcfs::httpd::test {

// The real server on a loop of its own thread, over a FakeCluster; the test talks to it through plain sockets.
class HttpFixture : public testing::Test {
 protected:
  void SetUp() override { start(HttpOptions()); }
  void TearDown() override { stop(); }

  void start(HttpOptions options) {
    stop();
    world_ = std::make_unique<World>();
    options.listen = "127.0.0.1:0";
    World& w = *world_;
    w.server = std::make_shared<HttpServer>(w.runtime, options);
    w.cluster = std::make_shared<FakeCluster>(w.runtime);
    w.server->start(w.cluster);
    w.thread = std::thread([&w] { w.io.run(); });
  }

  void stop() {
    if (!world_) return;
    World& w = *world_;
    asio::post(w.io, [&w] {
      asio::co_spawn(w.io, w.server->stop(std::chrono::milliseconds(200)), [&w](std::exception_ptr) { w.io.stop(); });
    });
    w.thread.join();
    w.server.reset();
    world_.reset();
  }

  // Runs `function` on the loop and returns what it returns.
  template <class Function>
  auto onLoop(Function function) {
    std::packaged_task<std::invoke_result_t<Function>()> task(std::move(function));
    auto future = task.get_future();
    asio::post(world_->io, [&task] { task(); });
    return future.get();
  }
  // Polls on the loop until `condition` holds.
  template <class Condition>
  bool eventually(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    auto end = std::chrono::steady_clock::now() + limit;
    while (!onLoop(condition)) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }

  FakeCluster& cluster() { return *world_->cluster; }
  HttpServer& server() { return *world_->server; }
  Counters counters() {
    return onLoop([this] { return server().counters(); });
  }
  RawClient connect() { return RawClient(server().address()); }
  Response get(const std::string& target, const std::string& headers = "", const std::string& method = "GET") {
    RawClient client = connect();
    return client.request(method, target, headers);
  }
  InodeId file(const std::string& path, const std::string& content, FileState state = FileState::closed) {
    return onLoop([&] { return cluster().makeFile(path, content, state); });
  }

 private:
  struct World {
    asio::io_context io{1};
    SystemClock clock{io};
    NoTransport transport;
    Runtime runtime{io, clock, transport, std::mt19937_64(1)};
    std::shared_ptr<HttpServer> server;
    std::shared_ptr<FakeCluster> cluster;
    std::thread thread;
  };
  std::unique_ptr<World> world_;
};

// Bytes that differ at every offset modulo something odd, so that a wrong offset shows.
inline std::string pattern(std::size_t size, unsigned seed = 0) {
  std::string out(size, '\0');
  std::uint32_t x = seed * 2654435761u + 12345;
  for (std::size_t i = 0; i < size; ++i) {
    x = x * 1664525u + 1013904223u;
    out[i] = static_cast<char>(x >> 24);
  }
  return out;
}

}  // namespace vcfs::httpd::test
