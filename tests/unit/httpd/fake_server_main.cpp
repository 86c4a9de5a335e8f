// vcfs-httpd's HTTP side over a cluster in memory: httpd_fake_server PORT. For load generators and players by hand:
// /bench/N holds 64 files of 1 MiB, /bench/big one of 1 GiB, /bench/live grows by 32 KiB every 50 ms for a minute.
#include <cstdio>
#include <cstdlib>

#include "common/base/daemon.h"
#include "httpd/server/http_server.h"
#include "tests/unit/httpd/fake_cluster.h"

using namespace vcfs;
using namespace vcfs::httpd;

namespace {

Task<void> grow(Runtime& runtime, std::shared_ptr<test::FakeCluster> cluster, InodeId inode) {
  for (int i = 0; i < 1200; ++i) {
    co_await runtime.clock.sleep(std::chrono::milliseconds(50));
    cluster->append(inode, std::string(32 << 10, static_cast<char>('a' + i % 26)));
  }
  cluster->seal(inode);
}

}  // namespace

int main(int argc, char** argv) {
  Daemon daemon;
  Runtime& runtime = daemon.runtime();
  HttpOptions options;
  options.listen = std::string("127.0.0.1:") + (argc > 1 ? argv[1] : "8080");
  if (const char* cc = std::getenv("CC_ALGO")) options.congestionControl = cc;
  if (const char* unsent = std::getenv("UNSENT")) options.unsentLimit = std::strtoull(unsent, nullptr, 10);
  auto cluster = std::make_shared<test::FakeCluster>(runtime);
  for (int i = 0; i < 64; ++i) cluster->makeFile("bench/" + std::to_string(i), std::string(1 << 20, 'x'));
  cluster->makeFile("bench/big", std::string(1 << 30, 'y'));
  InodeId live = cluster->makeFile("bench/live", "", FileState::open);
  auto server = std::make_shared<HttpServer>(runtime, options);
  auto start = [&]() -> Task<void> {
    server->start(cluster);
    runtime.spawn("grow", grow(runtime, cluster, live));
    std::printf("http://%s/\n", server->address().c_str());
    co_return;
  };
  auto stop = [&]() -> Task<void> { co_await server->stop(std::chrono::seconds(1)); };
  return daemon.run(start, stop);
}
