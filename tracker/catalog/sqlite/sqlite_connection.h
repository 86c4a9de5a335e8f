#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "tracker/catalog/sql.h"

namespace vcfs::tracker {

// One SQLite connection with its prepared statements. Used by one thread at a time. Every failure is an Error.
class SqliteConnection {
 public:
  // Opens (and makes, unless `readOnly`) the database file. Throws Error(io) with the path and the reason.
  SqliteConnection(const std::string& path, bool readOnly);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  Rows run(const Statement& statement, const std::vector<Value>& values);
  void script(const std::string& sql);  // no values, no result, not cached
  // Copies the log into the database and empties it. False: somebody reads from it, which is not waited for.
  bool emptyLog();
  bool inTransaction() const { return sqlite3_get_autocommit(db_) == 0; }
  sqlite3* handle() { return db_; }

 private:
  sqlite3_stmt* prepared(const Statement& statement);
  [[noreturn]] void fail(int code, const char* what);

  sqlite3* db_ = nullptr;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;
};

// The transaction of an operation on a SqliteConnection: its awaits never suspend.
class SqliteTx final : public SqlTx {
 public:
  explicit SqliteTx(SqliteConnection& connection) : connection_(connection) {}
  Task<Rows> execute(const Statement& statement, std::vector<Value> values) override;
  Task<std::vector<Rows>> executeAll(std::vector<Query> queries) override;
  void writeLater(Query query) override;
  bool elsewhere() const override { return false; }

 private:
  SqliteConnection& connection_;
};

}  // namespace vcfs::tracker
