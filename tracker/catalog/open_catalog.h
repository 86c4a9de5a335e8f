#pragma once

#include <memory>
#include <string>

#include "common/runtime/runtime.h"
#include "tracker/catalog/catalog.h"

namespace vcfs::tracker {

// Opens the catalog that `url` names and brings its schema up to date:
//   sqlite:PATH                                     one tracker
//   mariadb://user:password@host:port/database      any number of trackers; several hosts, with commas, are the nodes
//   of
//                                                   a Galera cluster; host may be /path/to/socket, percent-encoded
// budget: how long MariaDB is tried for one operation.
// Throws Error: invalid (the URL, with what is allowed), io, unavailable, notSupported (a newer schema).
Task<std::unique_ptr<Catalog>> openCatalog(Runtime& runtime, std::string url, int connections,
                                           std::chrono::milliseconds budget = std::chrono::milliseconds(1'500));

}  // namespace vcfs::tracker
