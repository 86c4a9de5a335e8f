#include "tracker/catalog/sqlite/sqlite_connection.h"

#include "common/base/error.h"

namespace vcfs::tracker {

namespace {

constexpr int kBusyTimeoutMs = 5000;  // another program may hold the write lock for a moment (a backup, sqlite3)

Errc toErrc(int code) {
  switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
      return Errc::exists;
    case SQLITE_FULL:
      return Errc::noSpace;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::unavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Errc::corrupted;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
      return Errc::io;
    case SQLITE_TOOBIG:
      return Errc::tooLarge;
    default:
      return Errc::internal;
  }
}

void bind(sqlite3_stmt* statement, int index, const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    sqlite3_bind_int64(statement, index, *number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    sqlite3_bind_blob64(statement, index, text->empty() ? "" : text->data(), text->size(), SQLITE_STATIC);
  } else {
    sqlite3_bind_null(statement, index);
  }
}

Value column(sqlite3_stmt* statement, int index) {
  switch (sqlite3_column_type(statement, index)) {
    case SQLITE_INTEGER:
      return Value(static_cast<std::int64_t>(sqlite3_column_int64(statement, index)));
    case SQLITE_NULL:
      return Value();
    default: {
      const auto* data = static_cast<const char*>(sqlite3_column_blob(statement, index));
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, index));
      return Value(std::in_place_type<std::string>, data == nullptr ? "" : data, size);
    }
  }
}

// Takes a cached statement back to its start, whatever happened.
struct Reset {
  sqlite3_stmt* statement;
  ~Reset() { sqlite3_reset(statement); }
};

}  // namespace

SqliteConnection::SqliteConnection(const std::string& path, bool readOnly) {
  const int flags =
      (readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &db_, flags, nullptr);
  if (code != SQLITE_OK) {
    const std::string reason = db_ != nullptr ? sqlite3_errmsg(db_) : sqlite3_errstr(code);
    sqlite3_close(db_);
    throw Error(Errc::io, "cannot open the catalog " + path + ": " + reason +
                              "; check that its directory exists and is writable");
  }
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_busy_timeout(db_, kBusyTimeoutMs);
}

SqliteConnection::~SqliteConnection() {
  for (auto& [text, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

sqlite3_stmt* SqliteConnection::prepared(const Statement& statement) {
  const auto found = statements_.find(statement.text);
  if (found != statements_.end()) return found->second;
  sqlite3_stmt* made = nullptr;
  const int code = sqlite3_prepare_v3(db_, statement.text, -1, SQLITE_PREPARE_PERSISTENT, &made, nullptr);
  if (code != SQLITE_OK) fail(code, statement.text);
  statements_.emplace(statement.text, made);
  return made;
}

Rows SqliteConnection::run(const Statement& statement, const std::vector<Value>& values) {
  sqlite3_stmt* prepared = this->prepared(statement);
  const Reset reset{prepared};
  for (std::size_t i = 0; i < values.size(); ++i) bind(prepared, static_cast<int>(i + 1), values[i]);
  const int columns = sqlite3_column_count(prepared);
  Rows rows(static_cast<std::size_t>(columns));
  int code;
  while ((code = sqlite3_step(prepared)) == SQLITE_ROW) {
    for (int i = 0; i < columns; ++i) rows.add(column(prepared, i));
  }
  if (code != SQLITE_DONE) fail(code, statement.text);
  if (columns == 0) rows.setChanged(static_cast<std::uint64_t>(sqlite3_changes(db_)));
  return rows;
}

void SqliteConnection::script(const std::string& sql) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code, sql.c_str());
}

bool SqliteConnection::emptyLog() {
  sqlite3_busy_timeout(db_, 0);
  const int code = sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  sqlite3_busy_timeout(db_, kBusyTimeoutMs);
  return code == SQLITE_OK;
}

void SqliteConnection::fail(int code, const char* what) {
  throw Error(toErrc(code), std::string("catalog: ") + sqlite3_errmsg(db_) + " in " + std::string(what).substr(0, 120));
}

Task<Rows> SqliteTx::execute(const Statement& statement, std::vector<Value> values) {
  co_return connection_.run(statement, values);
}

Task<std::vector<Rows>> SqliteTx::executeAll(std::vector<Query> queries) {
  std::vector<Rows> answers;
  answers.reserve(queries.size());
  for (const Query& query : queries) answers.push_back(connection_.run(query.statement(), query.values()));
  co_return answers;
}

// Here nothing is gained by waiting.
void SqliteTx::writeLater(Query query) { connection_.run(query.statement(), query.values()); }

}  // namespace vcfs::tracker
