#include "tracker/catalog/open_catalog.h"

#include <filesystem>

#include "common/base/error.h"
#include "tracker/catalog/mariadb/mariadb_catalog.h"
#include "tracker/catalog/sqlite/sqlite_catalog.h"

namespace vcfs::tracker {

namespace {

const std::string kSqlite = "sqlite:";
const std::string kMariadb = "mariadb://";

bool startsWith(const std::string& text, const std::string& prefix) { return text.rfind(prefix, 0) == 0; }

void makeDirectoryOf(const std::string& path) {
  const auto directory = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!directory.empty()) std::filesystem::create_directories(directory, error);
  if (error) {
    throw Error(Errc::io, fmt::format("cannot make {}, the directory of the catalog: {}; make it and give it to the "
                                      "user of this process",
                                      directory.string(), error.message()));
  }
}

}  // namespace

Task<std::unique_ptr<Catalog>> openCatalog(Runtime& runtime, std::string url, int connections,
                                           std::chrono::milliseconds budget) {
  if (startsWith(url, kSqlite) && url.size() > kSqlite.size()) {
    SqliteOptions options;
    options.path = url.substr(kSqlite.size());
    makeDirectoryOf(options.path);
    co_return std::make_unique<SqliteCatalog>(runtime, std::move(options));
  }
  if (startsWith(url, kMariadb)) {
    MariadbOptions options;
    options.url = parseMariadbUrl(url);
    options.connections = connections;
    options.budget = budget;
    std::unique_ptr<Catalog> catalog = co_await MariadbCatalog::open(runtime, std::move(options));
    co_return catalog;
  }
  throw Error(Errc::invalid, "the catalog \"" + url +
                                 "\" must be sqlite:PATH or mariadb://user:password@host:port,host:port/database");
}

}  // namespace vcfs::tracker
