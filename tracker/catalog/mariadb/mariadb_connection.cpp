#include "tracker/catalog/mariadb/mariadb_connection.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstring>
#include <utility>

#include "tracker/catalog/mariadb/mariadb_text.h"

namespace vcfs::tracker {

namespace {

constexpr unsigned kUnacknowledgedMs = 1000;
constexpr Duration kSilence = std::chrono::milliseconds(kUnacknowledgedMs * 9 / 10);

bool saysLost(unsigned number) {
  return number == CR_SERVER_LOST || number == CR_SERVER_GONE_ERROR || number == CR_SERVER_LOST_EXTENDED;
}

bool isServers(unsigned number) { return number < CR_MIN_ERROR || number > CR_MAX_ERROR; }

Errc toErrc(unsigned number) {
  if (cureOf(number) != Cure::none) return Errc::unavailable;
  switch (number) {
    case ER_DUP_ENTRY:
    case ER_DUP_UNIQUE:
      return Errc::exists;
    case ER_RECORD_FILE_FULL:
    case ER_DISK_FULL:
      return Errc::noSpace;
    case ER_DATA_TOO_LONG:
      return Errc::tooLarge;
    case ER_ACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_BAD_DB_ERROR:
      return Errc::accessDenied;
    default:
      return Errc::internal;
  }
}

// The bound values of one execution.
struct Parameters {
  explicit Parameters(const std::vector<Value>& values) : binds(values.size()) {
    for (std::size_t i = 0; i < values.size(); ++i) bind(binds[i], values[i]);
  }
  static void bind(MYSQL_BIND& target, const Value& value) {
    std::memset(&target, 0, sizeof target);
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      target.buffer_type = MYSQL_TYPE_LONGLONG;
      target.buffer = const_cast<std::int64_t*>(number);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      target.buffer_type = MYSQL_TYPE_BLOB;
      target.buffer = const_cast<char*>(text->data());
      target.buffer_length = text->size();
      target.length_value = text->size();
      target.length = &target.length_value;
    } else {
      target.buffer_type = MYSQL_TYPE_NULL;
    }
  }
  std::vector<MYSQL_BIND> binds;
};

// The place one column's values are fetched into.
struct Column {
  bool integer = false;
  std::int64_t number = 0;
  std::string text;
  unsigned long length = 0;
  my_bool null = 0;
};

std::vector<Column> columnsOf(MYSQL_STMT* statement) {
  MYSQL_RES* meta = mysql_stmt_result_metadata(statement);
  std::vector<Column> columns(mysql_num_fields(meta));
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const MYSQL_FIELD* field = mysql_fetch_field_direct(meta, static_cast<unsigned>(i));
    columns[i].integer = isInteger(field->type);
    if (!columns[i].integer) columns[i].text.resize(field->max_length + 1);
  }
  mysql_free_result(meta);
  return columns;
}

std::vector<MYSQL_BIND> bindsOf(std::vector<Column>& columns) {
  std::vector<MYSQL_BIND> binds(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::memset(&binds[i], 0, sizeof binds[i]);
    binds[i].is_null = &columns[i].null;
    binds[i].length = &columns[i].length;
    if (columns[i].integer) {
      binds[i].buffer_type = MYSQL_TYPE_LONGLONG;
      binds[i].buffer = &columns[i].number;
    } else {
      binds[i].buffer_type = MYSQL_TYPE_BLOB;
      binds[i].buffer = columns[i].text.data();
      binds[i].buffer_length = columns[i].text.size();
    }
  }
  return binds;
}

Value valueOf(const Column& column) {
  if (column.null != 0) return Value();
  if (column.integer) return Value(column.number);
  return Value(std::in_place_type<std::string>, column.text.data(), column.length);
}

unsigned wholeSeconds(std::chrono::milliseconds time) {
  return static_cast<unsigned>(std::max<std::int64_t>(1, (time.count() + 999) / 1000));
}

// Null: no memory.
MYSQL* prepare(std::chrono::milliseconds connectLimit, std::chrono::milliseconds answerLimit) {
  MYSQL* mysql = mysql_init(nullptr);
  if (mysql == nullptr) return nullptr;
  const unsigned connectSeconds = wholeSeconds(connectLimit);
  const unsigned answerSeconds = wholeSeconds(answerLimit);
  mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connectSeconds);
  mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &answerSeconds);
  mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &answerSeconds);
  return mysql;
}

bool logIn(MYSQL* mysql, const MariadbUrl& url, std::size_t server, const char* database, unsigned long flags) {
  const MariadbServerAddress& address = url.servers[server];
  const char* socket = address.socket.empty() ? nullptr : address.socket.c_str();
  const char* host = address.socket.empty() ? address.host.c_str() : nullptr;
  return mysql_real_connect(mysql, host, url.user.c_str(), url.password.c_str(), database, address.port, socket,
                            flags) != nullptr;
}

// Of a question whose answer is a name and ON or OFF.
bool isOn(MYSQL* mysql, const char* question) {
  if (mysql_query(mysql, question) != 0) throw MariadbError(mysql_errno(mysql), mysql_error(mysql));
  MYSQL_RES* result = mysql_store_result(mysql);
  if (result == nullptr) throw MariadbError(mysql_errno(mysql), mysql_error(mysql));
  const MYSQL_ROW row = mysql_fetch_row(result);
  const bool on = row != nullptr && row[1] != nullptr && std::string(row[1]) == "ON";
  mysql_free_result(result);
  return on;
}

}  // namespace

MariadbError::MariadbError(unsigned number, const std::string& text)
    : Error(toErrc(number), "catalog: MariaDB says " + std::to_string(number) + ": " + text),
      cure_(cureOf(number)),
      byServer_(isServers(number)) {}

MYSQL* connectBlocking(const MariadbUrl& url, std::size_t server, std::chrono::milliseconds limit,
                       std::chrono::milliseconds answerLimit) {
  MYSQL* mysql = prepare(limit, answerLimit);
  if (mysql == nullptr) throw Error(Errc::overloaded, "no memory for a connection to MariaDB");
  mysql_options(mysql, MYSQL_OPT_NONBLOCK, nullptr);
  mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "binary");
  // Row locks do what serialisation is needed; with READ COMMITTED a statement after a lock sees what the lock's former
  // holder committed. Galera: a read sees what other nodes committed before it.
  // A tracker that vanishes in the middle of a transaction must not keep its locks until TCP notices.
  static const char* const kStatements[] = {
      "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
      "SET SESSION innodb_lock_wait_timeout = 3, idle_transaction_timeout = 1, sql_mode = 'STRICT_ALL_TABLES',"
      " wait_timeout = 86400"};
  bool ok = logIn(mysql, url, server, url.database.c_str(), CLIENT_FOUND_ROWS | CLIENT_MULTI_STATEMENTS);
  for (const char* statement : kStatements) ok = ok && mysql_query(mysql, statement) == 0;
  if (ok) {
    mysql_query(mysql, "SET SESSION wsrep_sync_wait = 7");  // unknown to a server without Galera: fine
    return mysql;
  }
  const MariadbError error(mysql_errno(mysql), std::string(mysql_error(mysql)) + " (" + url.servers[server].host + ")");
  mysql_close(mysql);
  throw error;
}

bool connects(const MariadbUrl& url, std::size_t server, std::chrono::milliseconds limit) {
  MYSQL* mysql = prepare(limit, limit);
  if (mysql == nullptr) return true;  // that is not the server's fault
  const bool in = logIn(mysql, url, server, nullptr, 0);
  const unsigned number = mysql_errno(mysql);
  mysql_close(mysql);
  return in || isServers(number);
}

bool isGaleraNode(MYSQL* mysql) {
  if (!isOn(mysql, "SHOW VARIABLES LIKE 'wsrep_on'")) return false;
  if (!isOn(mysql, "SHOW STATUS LIKE 'wsrep_ready'"))
    throw MariadbError(ER_UNKNOWN_COM_ERROR, "WSREP has not yet prepared node for application use");
  return true;
}

MariadbConnection::MariadbConnection(Runtime& runtime, MYSQL* connected, bool galera, Duration limit,
                                     std::function<void()> slow)
    : runtime_(runtime),
      mysql_(connected),
      galera_(galera),
      limit_(limit),
      socket_(runtime.io, mysql_get_socket(connected)),
      slow_(std::move(slow)) {
  // A server that was cut off acknowledges nothing; one that thinks for long does. (On a Unix socket this is refused.)
  const unsigned milliseconds = kUnacknowledgedMs;
  ::setsockopt(mysql_get_socket(connected), IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
}

MariadbConnection::~MariadbConnection() {
  socket_.release();
  // Statements are told to the server one by one otherwise; it forgets them with the connection.
  ::shutdown(mysql_get_socket(mysql_), SHUT_RDWR);
  for (auto& cache : statements_) {
    for (auto& [text, statement] : cache) mysql_stmt_close(statement);
  }
  mysql_close(mysql_);
}

void MariadbConnection::fail(unsigned number, const std::string& text) {
  MariadbError error(number, text);
  if (error.cure() == Cure::reconnect) {
    usable_ = false;
    serverUnfit_ = !saysLost(number) || runtime_.clock.now() - waitingSince_ >= kSilence;
  }
  throw error;
}

void MariadbConnection::abandon() {
  usable_ = false;
  // The library's call that waits for the socket ends by itself, with "lost connection".
  ::shutdown(socket_.native_handle(), SHUT_RDWR);
}

// Somebody waits for the server.
void MariadbConnection::watch() {
  const TimePoint now = runtime_.clock.now();
  const TimePoint end = waitingSince_ + limit_;
  if (now >= end) return abandon();
  if (now - waitingSince_ >= kSlow && slow_) slow_();
  timer_ = runtime_.clock.callAt(std::min(now + kSlow, end), [this] { watch(); });
}

Task<int> MariadbConnection::wait(int events) {
  waitingSince_ = runtime_.clock.now();
  watch();
  const bool writing = (events & MYSQL_WAIT_WRITE) != 0 && (events & MYSQL_WAIT_READ) == 0;
  const auto kind = writing ? asio::posix::stream_descriptor::wait_write : asio::posix::stream_descriptor::wait_read;
  asio::error_code ignored;
  co_await socket_.async_wait(kind, asio::redirect_error(asio::use_awaitable, ignored));
  timer_.reset();
  co_return writing ? MYSQL_WAIT_WRITE : MYSQL_WAIT_READ;
}

Task<void> MariadbConnection::command(std::string sql) {
  deferred_.push_back(std::move(sql));
  co_await flush();
  inTransaction_ = false;
}

void MariadbConnection::begin() {
  deferred_.clear();
  deferred_.emplace_back("START TRANSACTION");
  inTransaction_ = true;
  deferredFailed_ = false;
}

void MariadbConnection::defer(const Query& query, bool locking) {
  std::string text;
  appendText(text, query, locking);
  deferred_.push_back(std::move(text));
}

std::size_t MariadbConnection::deferredBytes() const {
  std::size_t bytes = 0;
  for (const std::string& statement : deferred_) bytes += statement.size();
  return bytes;
}

void MariadbConnection::forget(std::size_t from) {
  deferred_.erase(deferred_.begin() + static_cast<std::ptrdiff_t>(from), deferred_.end());
}

Task<void> MariadbConnection::flush() {
  if (!deferred_.empty()) co_await send({}, false);
}

Task<Rows> MariadbConnection::run(const Statement& statement, std::vector<Value> values, bool locking) {
  if (deferred_.empty()) co_return co_await runPrepared(statement, std::move(values), locking);
  std::vector<Query> one;
  one.push_back(Query(statement, std::move(values)));
  std::vector<Rows> answers = co_await send(std::move(one), locking);
  co_return std::move(answers.front());
}

Task<std::vector<Rows>> MariadbConnection::runAll(std::vector<Query> queries, bool locking) {
  return send(std::move(queries), locking);
}

// What was deferred and then `queries`. Returns the latter's answers.
Task<std::vector<Rows>> MariadbConnection::send(std::vector<Query> queries, bool locking) {
  const std::size_t first = deferred_.size();
  for (const Query& query : queries) defer(query, locking);
  std::vector<std::string> statements = std::exchange(deferred_, {});
  const bool apart = galera_ && inTransaction_;
  Task<std::vector<Rows>> sending =
      apart ? sendOneByOne(std::move(statements), first) : sendTogether(std::move(statements), first);
  std::vector<Rows> answers = co_await std::move(sending);
  if (answers.size() != queries.size()) {
    fail(CR_MALFORMED_PACKET, "the server answered " + std::to_string(answers.size()) + " of " +
                                  std::to_string(queries.size()) + " statements");
  }
  co_return answers;
}

Task<std::vector<Rows>> MariadbConnection::sendTogether(std::vector<std::string> statements, std::size_t first) {
  std::string sql;
  for (const std::string& statement : statements) {
    if (!sql.empty()) sql += ";";
    sql += statement;
  }
  std::vector<Rows> answers;
  bool done = co_await issue(&sql);
  for (std::size_t i = 0;; ++i) {
    if (!done) failAt(statements, i, first);
    Rows rows = co_await takeResult();
    if (i >= first) answers.push_back(std::move(rows));
    if (mysql_more_results(mysql_) == 0) {
      if (i + 1 < statements.size()) fail(CR_MALFORMED_PACKET, "the server has not carried out all statements");
      co_return answers;
    }
    done = co_await nextResult();
  }
}

Task<std::vector<Rows>> MariadbConnection::sendOneByOne(std::vector<std::string> statements, std::size_t first) {
  std::vector<Rows> answers;
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const bool done = co_await issue(&statements[i]);
    if (!done) failAt(statements, i, first);
    Rows rows = co_await takeResult();
    if (i >= first) answers.push_back(std::move(rows));
    if (statements[i] != "COMMIT" && statements[i] != "ROLLBACK") checkTransaction();
  }
  co_return answers;
}

// False: the server refused it.
Task<bool> MariadbConnection::issue(const std::string* sql) {
  int failed = 0;
  int events = mysql_real_query_start(&failed, mysql_, sql->data(), sql->size());
  while (events != 0) {
    const int ready = co_await wait(events);
    events = mysql_real_query_cont(&failed, mysql_, ready);
  }
  co_return failed == 0;
}

Task<bool> MariadbConnection::nextResult() {
  int failed = 0;
  int events = mysql_next_result_start(&failed, mysql_);
  while (events != 0) {
    const int ready = co_await wait(events);
    events = mysql_next_result_cont(&failed, mysql_, ready);
  }
  co_return failed == 0;
}

void MariadbConnection::failAt(const std::vector<std::string>& statements, std::size_t at, std::size_t first) {
  deferredFailed_ = deferredFailed_ || at < first;
  const std::string& blamed = statements[std::min(at, statements.size() - 1)];
  fail(mysql_errno(mysql_), std::string(mysql_error(mysql_)) + " in " + blamed.substr(0, 120));
}

// What comes after the transaction's end would be done for itself, whatever becomes of the rest.
void MariadbConnection::checkTransaction() {
  if ((mysql_->server_status & SERVER_STATUS_IN_TRANS) != 0) return;
  fail(ER_LOCK_DEADLOCK, "the server has ended the transaction");
}

Task<Rows> MariadbConnection::takeResult() {
  if (mysql_field_count(mysql_) == 0) {
    Rows rows;
    rows.setChanged(mysql_affected_rows(mysql_));
    co_return rows;
  }
  MYSQL_RES* result = nullptr;
  int events = mysql_store_result_start(&result, mysql_);
  while (events != 0) {
    const int ready = co_await wait(events);
    events = mysql_store_result_cont(&result, mysql_, ready);
  }
  if (result == nullptr) fail(mysql_errno(mysql_), mysql_error(mysql_));
  Rows rows = toRows(result);
  mysql_free_result(result);
  co_return rows;
}

Task<MYSQL_STMT*> MariadbConnection::prepared(const Statement& statement, bool locking) {
  auto& cache = statements_[locking ? 1 : 0];
  const auto found = cache.find(statement.text);
  if (found != cache.end()) co_return found->second;
  std::string sql = statementText(statement, locking);
  MYSQL_STMT* made = mysql_stmt_init(mysql_);
  const my_bool yes = 1;
  mysql_stmt_attr_set(made, STMT_ATTR_UPDATE_MAX_LENGTH, &yes);
  int failed = 0;
  int events = mysql_stmt_prepare_start(&failed, made, sql.data(), sql.size());
  while (events != 0) {
    const int ready = co_await wait(events);
    events = mysql_stmt_prepare_cont(&failed, made, ready);
  }
  if (failed != 0) {
    const unsigned number = mysql_stmt_errno(made);
    const std::string text = std::string(mysql_stmt_error(made)) + " in " + sql.substr(0, 200);
    mysql_stmt_close(made);
    fail(number, text);
  }
  cache.emplace(statement.text, made);
  co_return made;
}

Task<Rows> MariadbConnection::runPrepared(const Statement& statement, std::vector<Value> values, bool locking) {
  MYSQL_STMT* stmt = co_await prepared(statement, locking);
  Parameters parameters(values);
  if (!values.empty()) mysql_stmt_bind_param(stmt, parameters.binds.data());
  int failed = 0;
  int events = mysql_stmt_execute_start(&failed, stmt);
  while (events != 0) {
    const int ready = co_await wait(events);
    events = mysql_stmt_execute_cont(&failed, stmt, ready);
  }
  if (failed != 0)
    fail(mysql_stmt_errno(stmt),
         std::string(mysql_stmt_error(stmt)) + " in " + std::string(statement.text).substr(0, 120));
  Rows rows;
  if (mysql_stmt_field_count(stmt) > 0) {
    rows = co_await fetch(stmt);
  } else {
    rows.setChanged(mysql_stmt_affected_rows(stmt));
  }
  if (galera_ && inTransaction_) checkTransaction();
  co_return rows;
}

Task<Rows> MariadbConnection::fetch(MYSQL_STMT* stmt) {
  int failed = 0;
  int events = mysql_stmt_store_result_start(&failed, stmt);
  while (events != 0) {
    const int ready = co_await wait(events);
    events = mysql_stmt_store_result_cont(&failed, stmt, ready);
  }
  if (failed != 0) fail(mysql_stmt_errno(stmt), mysql_stmt_error(stmt));
  std::vector<Column> columns = columnsOf(stmt);
  std::vector<MYSQL_BIND> binds = bindsOf(columns);
  mysql_stmt_bind_result(stmt, binds.data());
  Rows rows(columns.size());
  while (mysql_stmt_fetch(stmt) == 0) {
    for (const Column& column : columns) rows.add(valueOf(column));
  }
  mysql_stmt_free_result(stmt);
  co_return rows;
}

}  // namespace vcfs::tracker
