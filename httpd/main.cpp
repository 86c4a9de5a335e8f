#include <sys/resource.h>

#include <cstdio>
#include <memory>

#include "common/base/advertise.h"
#include "common/base/daemon.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/settings.h"
#include "httpd/server/http_server.h"

using namespace vcfs;

namespace {

constexpr std::uint64_t kSpareDescriptors = 64;  // for the cluster's connections, logs and the like

struct Options {
  httpd::HttpOptions http;
  ClusterOptions cluster;
  std::string advertise;
  std::int64_t maxConnections = 16384;
  DaemonSettings daemon;
};

Options parse(int argc, char** argv) {
  using namespace std::chrono_literals;
  Options o;
  o.cluster.kind = "httpd";
  o.cluster.stallLimit = 10s;
  o.cluster.readAhead = 2u << 20;
  Settings settings("vcfs-httpd",
                    "serves the files of a vcfs cluster over HTTP, for reading.\n"
                    "It checks no permissions: who reaches its port can list and read every file of every user.");
  settings.address("listen", o.http.listen, "address to answer HTTP at");
  settings.text("advertise", o.advertise,
                "address shown by `vcfs status` (default: --listen, with the host's name for a wildcard)");
  settings.list("trackers", o.cluster.trackers, "the cluster's trackers, host:port,…; one is enough");
  settings.size("cache", o.http.cacheBytes, 0, std::uint64_t{1} << 44, "memory for bytes of sealed files; 0: none");
  settings.duration("entry-age", o.http.entryAge, 0ms, 60s,
                    "how long the answer to a path may be reused (changes are pushed and take effect at once)");
  settings.integer("max-connections", o.maxConnections, 1, 1'000'000, "connections",
                   "more are answered 503 and closed");
  settings.duration("idle-timeout", o.http.idleTimeout, 1s, 24h, "an idle keep-alive connection is closed after");
  settings.duration("head-timeout", o.http.headTimeout, 100ms, 1h,
                    "time a client has to send a request's headers (408)");
  settings.duration("send-timeout", o.http.sendTimeout, 1s, 24h,
                    "a client that takes no byte for this long is dropped");
  settings.size("unsent-limit", o.http.unsentLimit, 0, 1u << 30,
                "bytes per connection waiting unsent in the kernel; 0: as the kernel likes");
  settings.text("congestion-control", o.http.congestionControl,
                "TCP congestion control towards clients; empty: the system's");
  settings.text("cors-origin", o.http.corsOrigin,
                "Access-Control-Allow-Origin of every answer; empty: no CORS headers");
  settings.duration("stall-limit", o.cluster.stallLimit, 1s, 10min,
                    "how long to wait for a cluster that is away before 503");
  settings.size("read-ahead", o.cluster.readAhead, 0, 1u << 30, "per file read sequentially");
  settings.size("read-ahead-total", o.cluster.readAheadTotal, 0, std::uint64_t{1} << 40, "all files together");
  settings.flag("access-log", o.http.accessLog, "log every request");
  o.daemon.addTo(settings);
  settings.parseOrExit(argc, argv);
  return o;
}

[[noreturn]] void usage(const std::string& message) {
  std::fprintf(stderr, "vcfs-httpd: %s\n", message.c_str());
  std::exit(2);
}

void check(Options& o) {
  if (o.cluster.trackers.empty()) usage("--trackers is missing: give at least one tracker's host:port");
  try {
    std::string list;
    for (const std::string& t : o.cluster.trackers) list += (list.empty() ? "" : ",") + t;
    o.cluster.trackers = parseAddressList(list, kDefaultTrackerPort);
  } catch (const Error& e) {
    usage("--trackers: " + e.detail());
  }
  try {
    advertisedAddress(o.advertise, o.http.listen);
  } catch (const Error& e) {
    usage(e.detail());
  }
  if (o.http.corsOrigin.find_first_of("\r\n") != std::string::npos) usage("--cors-origin: one line only");
}

// As many descriptors as allowed; fewer connections when that is not enough for the wanted ones.
void raiseDescriptorLimit(Options& o) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  auto most = static_cast<std::int64_t>(limit.rlim_cur > 2 * kSpareDescriptors ? limit.rlim_cur - kSpareDescriptors
                                                                               : kSpareDescriptors);
  if (o.maxConnections > most) {
    log::warn("http.fewer_connections",
              {{"wanted", o.maxConnections}, {"possible", most}, {"remedy", "raise LimitNOFILE"}});
    o.maxConnections = most;
  }
  o.http.maxConnections = static_cast<std::size_t>(o.maxConnections);
}

struct Program {
  explicit Program(Options o) : options(std::move(o)) {}

  Task<void> start() {
    server = std::make_shared<httpd::HttpServer>(daemon.runtime(), options.http);
    options.cluster.path = advertisedAddress(options.advertise, server->address());
    cluster = co_await Cluster::connect(daemon.runtime(), options.cluster);
    server->start(cluster);
    log::info("httpd.started", {{"address", server->address()}});
  }

  Task<void> stop() {
    if (server) co_await server->stop(std::chrono::seconds(3));
    if (cluster) co_await cluster->shutdown();
    log::info("httpd.stopped");
  }

  Options options;
  Daemon daemon;
  std::shared_ptr<Cluster> cluster;
  std::shared_ptr<httpd::HttpServer> server;
};

int runProgram(int argc, char** argv) {
  Options options = parse(argc, argv);
  check(options);
  raiseDescriptorLimit(options);
  Program program(std::move(options));
  return program.daemon.run([&program] { return program.start(); }, [&program] { return program.stop(); },
                            program.options.daemon);
}

}  // namespace

int main(int argc, char** argv) {
  return reportingFailure([&] { return runProgram(argc, argv); });
}
