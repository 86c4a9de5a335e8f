#pragma once

#include <mysql.h>

#include <chrono>
#include <cstdint>

#include "common/base/mariadb_url.h"
#include "idserver/store/range_store.h"

namespace vcfs::idserver {

// One row of a MariaDB database that any number of ID servers share (table id_ranges, made when it is absent). A range
// is one UPDATE that adds to a counter, so two servers never get the same. Blocks: for one pool thread.
//
// What a repeat can cure (a lost connection, a deadlock, a Galera node that is not ready) is repeated for `budget`; the
// ids of a statement whose outcome is unknown are skipped.
class CatalogStore final : public RangeStore {
 public:
  struct Options {
    MariadbUrl url;
    std::chrono::milliseconds budget{5'000};
    std::chrono::milliseconds connectLimit{2'000};  // and of one statement
  };
  explicit CatalogStore(Options options);
  ~CatalogStore() override;

  IdRange reserve(std::uint64_t count) override;

 private:
  void connect();
  void disconnect();
  void prepare();
  std::uint64_t scalar(const char* sql, std::uint64_t otherwise);
  void execute(const std::string& sql);
  IdRange tryReserve(std::uint64_t count);

  Options options_;
  MYSQL* mysql_ = nullptr;
  std::size_t next_ = 0;  // of the database's servers: the one to connect to
  bool flushes_ = false;  // the server makes every commit stable by itself
};

}  // namespace vcfs::idserver
