#pragma once

#include <mysql.h>

#include <asio/posix/stream_descriptor.hpp>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/error.h"
#include "common/runtime/runtime.h"
#include "tracker/catalog/mariadb/mariadb_url.h"
#include "tracker/catalog/sql.h"

namespace vcfs::tracker {

// What the server or the connection said. `repeatable`: the whole transaction may be run again (a deadlock, a lost
// connection, a Galera node that is not ready); `connectionLost`: on another connection.
class MariadbError : public Error {
 public:
  MariadbError(unsigned number, const std::string& text);
  bool repeatable() const { return repeatable_; }
  bool connectionLost() const { return connectionLost_; }

 private:
  bool repeatable_;
  bool connectionLost_;
};

// Connects and prepares the session; blocks for at most `limit`. For pool threads. Throws MariadbError.
MYSQL* connectBlocking(const MariadbUrl& url, std::chrono::milliseconds limit);

// One connection, on the loop: every wait for the server is a wait for its socket. One statement at a time. A statement
// that takes longer than `limit` ends with the connection being shut down (MariadbError, connectionLost).
class MariadbConnection {
 public:
  MariadbConnection(Runtime& runtime, MYSQL* connected, Duration limit);
  ~MariadbConnection();
  MariadbConnection(const MariadbConnection&) = delete;
  MariadbConnection& operator=(const MariadbConnection&) = delete;

  Task<void> command(std::string sql);  // BEGIN, COMMIT … : no values, no rows
  // `locking`: the statement's "/*lock*/" becomes FOR UPDATE.
  Task<Rows> run(const Statement& statement, std::vector<Value> values, bool locking);
  bool usable() const { return usable_; }

 private:
  Task<int> wait(int events);
  Task<MYSQL_STMT*> prepared(const Statement& statement, bool locking);
  Task<Rows> fetch(MYSQL_STMT* statement);
  [[noreturn]] void fail(unsigned number, const std::string& text);

  Runtime& runtime_;
  MYSQL* mysql_;
  Duration limit_;
  asio::posix::stream_descriptor socket_;
  std::unordered_map<const char*, MYSQL_STMT*> statements_[2];  // plain, locking
  bool usable_ = true;
};

}  // namespace vcfs::tracker
