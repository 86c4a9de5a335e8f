// vcfs-storage: one disk of the store.
#include <algorithm>
#include <cstdio>

#include "common/base/advertise.h"
#include "common/base/daemon.h"
#include "common/base/log.h"
#include "common/base/settings.h"
#include "common/rpc/listen_check.h"
#include "storage/storage_service.h"
#include "storage/store/disk_store.h"

using namespace vcfs;
using namespace std::chrono_literals;

namespace {

struct Config {
  storage::Options options;
  storage::DiskStoreOptions disk;
  std::int64_t openFiles = 1024;
  DaemonSettings daemon;
};

Config parse(int argc, char** argv) {
  Config c;
  c.options.zone = hostName();
  c.disk.reserveBytes = 1ULL << 30;
  Settings settings("vcfs-storage",
                    "Serves one disk of a vcfs store: keeps recordings and forwards them while they are written.");
  settings.required("name", c.options.name, "this server's name: its identity in the cluster, for ever");
  settings.text("group", c.options.group, "the storage group it belongs to; a user's files stay in one group");
  settings.text("zone", c.options.zone,
                "what fails together with it; copies are never put in one zone when it can be avoided (default: the "
                "host's name)");
  settings.required("data", c.options.dataDirectory,
                    "the directory of the recordings, on ext4 or xfs; made when absent");
  c.options.listen = "0.0.0.0:21100";
  settings.address("listen", c.options.listen, "where it answers");
  settings.text("advertise", c.options.advertise,
                "host:port under which others reach it (default: --listen, with the host's name for a wildcard)");
  settings.list("trackers", c.options.trackers,
                "host:port of trackers, comma-separated; the others are learnt from them");
  settings.size("reserve", c.disk.reserveBytes, 0, 1ULL << 50,
                "kept free for recordings that run: new files are refused when less is left");
  settings.integer("open-files", c.openFiles, 16, 1'000'000, "files", "descriptors kept open");
  settings.size("writeback", c.disk.writebackBytes, 0, 1ULL << 40,
                "a file's new bytes are handed to the disk each time so many have gathered, so that fsync has little "
                "left to do; 0: left to the kernel");
  settings.size(
      "inline-write", c.options.inlineWriteBytes, 0, 1u << 20,
      "writes up to this size are put into the page cache by the loop itself while the disk is quick; 0: never");
  settings.duration("lease", c.options.lease, 1s, 600s,
                    "a writer not heard of for so long is gone: its file is sealed as recovered");
  settings.duration("report-interval", c.options.reportInterval, 100ms, 60s,
                    "sizes of open files are told to a tracker this often");
  settings.duration("ping-interval", c.options.pingInterval, 10ms, 10s, "between pings to other storage servers");
  settings.duration("ping-limit", c.options.pingLimit, 100ms, 60s,
                    "another storage server that does not answer a ping for so long is lost");
  settings.duration("replica-limit", c.options.replicaLimit, 100ms, 120s,
                    "another storage server that does not answer a write for so long is lost");
  settings.duration("sync-limit", c.options.replicaSyncLimit, 1s, 600s,
                    "the same for an fsync; less than two thirds of the mounts' stall_limit, or they give the server "
                    "up that waits");
  settings.integer("catch-up-files", c.options.catchUpFiles, 1, 64, "files", "caught up at the same time");
  settings.integer("catch-up-rate", c.options.catchUpBytesPerSecond, 0, 1LL << 40, "bytes/s per file",
                   "at most so fast; 0: as live traffic allows");
  settings.integer("cached-files", c.options.cachedFiles, 100, 100'000'000, "files",
                   "closed files whose state is kept in memory");
  c.daemon.addTo(settings);
  settings.parseOrExit(argc, argv);
  c.options.syncLimit = std::max(c.options.syncLimit, c.options.replicaSyncLimit);
  c.options.settings = settings.values();
  c.disk.directory = c.options.dataDirectory;
  c.disk.name = c.options.name;
  c.disk.openFiles = static_cast<std::size_t>(c.openFiles);
  return c;
}

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "vcfs-storage: %s\n", message.c_str());
  std::exit(2);
}

void check(Config& c) {
  if (c.options.trackers.empty()) fail("--trackers is needed: host:port of at least one tracker");
  for (const std::string& text : {c.options.name, c.options.group, c.options.zone}) {
    const bool good = !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](unsigned char b) {
      return std::isalnum(b) || b == '-' || b == '_' || b == '.';
    });
    if (!good) fail("\"" + text + "\": --name, --group and --zone are 1 to 64 of a-z A-Z 0-9 . _ -");
  }
  // Left empty it is where the server listens, whose port may be 0 until it does.
  const std::string address = advertisedAddress(c.options.advertise, c.options.listen);
  if (address != c.options.listen) c.options.advertise = address;
  for (std::string& tracker : c.options.trackers) {
    const HostPort address = parseAddress(tracker, kDefaultTrackerPort);
    if (tracker.find(':') == std::string::npos) tracker += ":" + std::to_string(address.port);
  }
}

int runProgram(int argc, char** argv) {
  Config config = parse(argc, argv);
  check(config);
  checkListen(config.options.listen);  // where another one runs, the directory gets no identity
  // Outlives everything that the loop may still hold.
  storage::DiskStore store(config.disk);
  Daemon daemon;
  auto service = std::make_unique<storage::StorageService>(
      daemon.runtime(), store, storage::Pools::threads(daemon.runtime().io), config.options);
  auto start = [&]() -> Task<void> {
    service->start();
    co_return;
  };
  auto stop = [&]() -> Task<void> {
    co_await service->stop();
    store.syncAll();
    store.markClean();
  };
  const int code = daemon.run(start, stop, config.daemon);
  service.reset();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  // What is wrong before it runs is wrong with its settings or its disk: 2.
  return reportingFailure([&] { return runProgram(argc, argv); }, 2);
}
