#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "common/base/daemon.h"
#include "common/base/log.h"
#include "common/base/settings.h"
#include "common/rpc/connection.h"
#include "idserver/idserver_service.h"
#include "idserver/store/catalog_store.h"
#include "idserver/store/file_store.h"

using namespace vcfs;

namespace {

struct Options {
  std::string listen = "127.0.0.1:21010";
  std::string data;
  std::string catalog;
  std::string cluster = "vcfs";
  std::int64_t block = 1 << 20;
  std::int64_t recoverAbove = 0;
  DaemonSettings daemon;
  SettingValues settings;
};

Options parse(int argc, char** argv) {
  Options o;
  Settings settings("vcfs-idserver", "hands out unique 64-bit ids, each range durable before it is handed out");
  settings.address("listen", o.listen, "address to answer at");
  settings.text("data", o.data, "directory that remembers which ids were handed out; nobody else may use it");
  settings.text("catalog", o.catalog,
                "instead of --data: mariadb://user:password@host:port/database, which several ID servers share");
  settings.text("cluster", o.cluster, "name of the cluster, told to callers");
  settings.integer("block", o.block, 1, 1'000'000'000, "ids",
                   "ids made durable at once; a restart skips what is left of a block");
  settings.integer("recover-above", o.recoverAbove, 0, (std::int64_t{1} << 62) - 1, "id",
                   "only after damage to the data directory: go on above this id, the highest in use");
  o.daemon.addTo(settings);
  settings.parseOrExit(argc, argv);
  o.settings = settings.values();
  if (o.data.empty() == o.catalog.empty()) {
    std::fprintf(stderr, "vcfs-idserver: give --data DIRECTORY, or --catalog mariadb://… for several ID servers\n");
    std::exit(2);
  }
  if (!o.catalog.empty() && o.recoverAbove > 0) {
    fmt::print(stderr,
               "vcfs-idserver: --recover-above is for a --data directory. Of ID servers that share a catalog, stop all "
               "and go on above the id there: UPDATE id_ranges SET next = {} WHERE next <= {}\n",
               o.recoverAbove + 1, o.recoverAbove);
    std::exit(2);
  }
  return o;
}

struct Program {
  explicit Program(Options o) : options(std::move(o)) {}

  Task<void> start() {
    // The port first: when it is taken, nothing on disk has changed. Nobody is answered before the first await.
    rpc::Server::Factory factory = [this](std::shared_ptr<rpc::Connection>) {
      return idserver::IdServer::bootstrap(ids, daemon.runtime());
    };
    server = std::make_unique<rpc::Server>(daemon.runtime(), options.listen, std::move(factory));
    openStore();
    pool = makeThreadPool(daemon.runtime().io, "ids");
    idserver::IdServerOptions serverOptions;
    serverOptions.cluster = options.cluster;
    serverOptions.block = static_cast<std::uint64_t>(options.block);
    serverOptions.settings = options.settings;
    ids = std::make_shared<idserver::IdServer>(daemon.runtime(), *pool, *store, serverOptions);
    ids->setAddress(server->address());
    co_await ids->prepare();
    log::info("idserver.started", {{"address", server->address()}, {"data", options.data}});
  }

  void openStore() {
    if (!options.catalog.empty()) {
      idserver::CatalogStore::Options shared;
      shared.url = parseMariadbUrl(options.catalog);
      store = std::make_unique<idserver::CatalogStore>(std::move(shared));
      return;
    }
    std::optional<std::uint64_t> above;
    if (options.recoverAbove > 0) above = static_cast<std::uint64_t>(options.recoverAbove);
    store = std::make_unique<idserver::FileStore>(idserver::openDirectory(options.data), above);
  }

  Task<void> stop() {
    server.reset();
    log::info("idserver.stopped");
    co_return;
  }

  Options options;
  std::unique_ptr<idserver::RangeStore> store;
  std::shared_ptr<idserver::IdServer> ids;
  Daemon daemon;
  std::unique_ptr<BlockingPool> pool;
  std::unique_ptr<rpc::Server> server;
};

int runProgram(int argc, char** argv) {
  Options options = parse(argc, argv);
  Program program(std::move(options));
  return program.daemon.run([&program] { return program.start(); }, [&program] { return program.stop(); },
                            program.options.daemon);
}

}  // namespace

int main(int argc, char** argv) {
  return reportingFailure([&] { return runProgram(argc, argv); });
}
