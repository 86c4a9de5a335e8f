#include <cstdio>

#include "common/base/advertise.h"
#include "common/base/daemon.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/mariadb_url.h"
#include "common/base/settings.h"
#include "common/rpc/listen_check.h"
#include "tracker/catalog/open_catalog.h"
#include "tracker/tracker_service.h"

using namespace vcfs;

namespace {

struct Options {
  tracker::TrackerOptions tracker;
  std::string catalog;
  std::int64_t copies = 2;
  std::int64_t connections = 4;
  std::chrono::milliseconds catalogBudget{1'500};
  std::int64_t rebuildFiles = 512;
  std::int64_t idRange = 65'536;
  DaemonSettings daemon;
};

void declare(Settings& settings, Options& o) {
  settings.address("listen", o.tracker.listen, "address to answer at");
  settings.text("advertise", o.tracker.advertise,
                "address at which others reach this tracker (default: --listen, with the host's name for a wildcard)");
  // No default: what is left out by mistake would be answered with a new, empty store.
  settings.required(
      "catalog", o.catalog,
      "the catalog: sqlite:PATH or mariadb://user:password@host:port/database; several hosts, with commas, are the "
      "nodes of a Galera cluster");
  settings.integer("catalog-connections", o.connections, 1, 64, "connections", "connections to MariaDB");
  settings.duration("catalog-budget", o.catalogBudget, std::chrono::milliseconds(100), std::chrono::minutes(1),
                    "an operation is tried at MariaDB for this long; then its caller asks another tracker, or goes on "
                    "asking");
  settings.list("idservers", o.tracker.idservers, "ID servers, any of which is asked (default: ids from the catalog)");
  settings.integer("id-range", o.idRange, 2, 1'000'000, "ids",
                   "asked of an ID server at a time; the next range is asked for when half of one is left");
  settings.list("trackers", o.tracker.trackers, "every tracker of the cluster, this one too (default: this one only)");
  settings.integer("copies", o.copies, 1, 8, "replicas", "copies of a file in a group that is met for the first time");
  settings.duration("trash-retention", o.tracker.trashRetention, std::chrono::milliseconds(0),
                    std::chrono::hours(24 * 365), "how long data without a name is kept");
  settings.duration("pin-time", o.tracker.pinTime, std::chrono::minutes(1), std::chrono::hours(24),
                    "data without a name is kept for so long after a host last told that it has it open (every 20 s)");
  settings.duration("seal-after", o.tracker.sealAfter, std::chrono::seconds(1), std::chrono::hours(24),
                    "a file left open without a writer is sealed after this long");
  settings.duration("lock-lease", o.tracker.lockLease, std::chrono::seconds(1), std::chrono::hours(1),
                    "a client not heard of for this long loses the file locks that others want");
  settings.duration("replace-after", o.tracker.replaceAfter, std::chrono::seconds(1), std::chrono::hours(24 * 30),
                    "a storage server that is away for so long is given up: its files are copied to others");
  settings.integer("rebuild-files", o.rebuildFiles, 1, 100'000, "files",
                   "of a group: copied at the same time for storage servers that are emptied or given up");
  settings.size("min-free", o.tracker.map.minFreeBytes, 0, std::uint64_t{1} << 50,
                "a storage server with less free space is given no new files");
  settings.text("cluster", o.tracker.cluster, "name of a new cluster");
  o.daemon.addTo(settings);
}

int runProgram(int argc, char** argv) {
  Options options;
  Settings settings("vcfs-tracker",
                    "The namespace of a vcfs cluster, the map of its storage servers, and their failover.");
  declare(settings, options);
  settings.parseOrExit(argc, argv);
  if (options.catalog.starts_with("sqlite:") && options.tracker.trackers.size() > 1) {
    std::fprintf(stderr,
                 "vcfs-tracker: a SQLite catalog has one tracker, and --trackers names %zu: each would have a store of "
                 "its own. Give them one --catalog mariadb://…, or name this tracker alone\n",
                 options.tracker.trackers.size());
    return 2;
  }
  options.tracker.settings = settings.values();
  options.tracker.settings["catalog"] = withoutCredentials(options.catalog);
  options.tracker.rebuildFiles = static_cast<std::uint64_t>(options.rebuildFiles);
  options.tracker.ids.rangeSize = static_cast<std::uint32_t>(options.idRange);
  options.tracker.ids.lowWater = options.tracker.ids.rangeSize / 2;
  try {
    options.tracker.advertise = advertisedAddress(options.tracker.advertise, options.tracker.listen);
  } catch (const Error& error) {
    std::fprintf(stderr, "vcfs-tracker: %s\n", error.detail().c_str());
    return 2;
  }
  options.tracker.map.defaultCopies = static_cast<std::uint32_t>(options.copies);

  Daemon daemon;
  std::unique_ptr<tracker::Catalog> catalog;
  std::unique_ptr<tracker::TrackerService> service;
  auto start = [&]() -> Task<void> {
    checkListen(options.tracker.listen);  // beside a tracker that runs, its catalog is not migrated
    catalog = co_await tracker::openCatalog(daemon.runtime(), options.catalog, static_cast<int>(options.connections),
                                            options.catalogBudget);
    service = std::make_unique<tracker::TrackerService>(daemon.runtime(), *catalog, options.tracker);
    co_await service->start();
  };
  auto stop = [&]() -> Task<void> {
    if (service) service->stop();
    if (catalog) co_await catalog->sync();
  };
  return daemon.run(start, stop, options.daemon);
}

}  // namespace

int main(int argc, char** argv) {
  return reportingFailure([&] { return runProgram(argc, argv); });
}
