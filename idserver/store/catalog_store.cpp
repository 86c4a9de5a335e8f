#include "idserver/store/catalog_store.h"

#include <thread>

#include "common/base/error.h"
#include "common/base/log.h"

namespace vcfs::idserver {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPause = std::chrono::milliseconds(50);
constexpr unsigned kNoSuchTable = 1146;
// A catalog that had its ids from elsewhere: what trackers and ID servers may have leased and not used yet.
constexpr std::uint64_t kMargin = std::uint64_t{1} << 32;

[[noreturn]] void fail(MYSQL* mysql) {
  throw Error(Errc::unavailable,
              "the catalog says " + std::to_string(mysql_errno(mysql)) + ": " + std::string(mysql_error(mysql)));
}

}  // namespace

CatalogStore::CatalogStore(Options options) : options_(std::move(options)) {}

CatalogStore::~CatalogStore() { disconnect(); }

void CatalogStore::disconnect() {
  if (mysql_ != nullptr) mysql_close(mysql_);
  mysql_ = nullptr;
}

void CatalogStore::connect() {
  if (mysql_ != nullptr) return;
  MYSQL* mysql = mysql_init(nullptr);
  if (mysql == nullptr) throw Error(Errc::overloaded, "no memory for a connection to MariaDB");
  const auto seconds = static_cast<unsigned>(std::max<std::int64_t>(1, options_.connectLimit.count() / 1000));
  mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
  mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &seconds);
  mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
  const MariadbUrl& url = options_.url;
  const MariadbServerAddress& server = url.servers[next_++ % url.servers.size()];
  const char* socket = server.socket.empty() ? nullptr : server.socket.c_str();
  const char* host = server.socket.empty() ? server.host.c_str() : nullptr;
  if (mysql_real_connect(mysql, host, url.user.c_str(), url.password.c_str(), url.database.c_str(), server.port, socket,
                         CLIENT_FOUND_ROWS) == nullptr) {
    const Error error(Errc::unavailable, std::string("the catalog cannot be reached: ") + mysql_error(mysql));
    mysql_close(mysql);
    throw error;
  }
  mysql_ = mysql;
  mysql_query(mysql_, "SET SESSION wsrep_sync_wait = 7");  // unknown to a server without Galera: fine
  prepare();
}

void CatalogStore::execute(const std::string& sql) {
  if (mysql_real_query(mysql_, sql.data(), sql.size()) != 0) fail(mysql_);
}

std::uint64_t CatalogStore::scalar(const char* sql, std::uint64_t otherwise) {
  if (mysql_query(mysql_, sql) != 0) {
    if (mysql_errno(mysql_) == kNoSuchTable) return otherwise;
    fail(mysql_);
  }
  MYSQL_RES* result = mysql_store_result(mysql_);
  if (result == nullptr) fail(mysql_);
  MYSQL_ROW row = mysql_fetch_row(result);
  const std::uint64_t value = row != nullptr && row[0] != nullptr ? std::strtoull(row[0], nullptr, 10) : otherwise;
  mysql_free_result(result);
  return value;
}

// The row is made once, above every id that the catalog has already.
void CatalogStore::prepare() {
  execute(
      "CREATE TABLE IF NOT EXISTS id_ranges (name VARBINARY(32) NOT NULL PRIMARY KEY, next BIGINT UNSIGNED NOT NULL)"
      " ENGINE=InnoDB");
  flushes_ = scalar("SELECT @@innodb_flush_log_at_trx_commit", 0) == 1;
  if (scalar("SELECT COUNT(*) FROM id_ranges WHERE name = 'ids'", 0) > 0) return;
  const std::uint64_t inode = scalar("SELECT COALESCE(MAX(inode), 0) FROM inodes", 0);
  const std::uint64_t cookie = scalar("SELECT COALESCE(MAX(cookie), 0) FROM dentries", 0);
  const std::uint64_t used = std::max(inode, cookie);
  const std::uint64_t first = used < kFirstId ? kFirstId : used + kMargin;
  execute("INSERT IGNORE INTO id_ranges (name, next) VALUES ('ids', " + std::to_string(first) + ")");
}

IdRange CatalogStore::tryReserve(std::uint64_t count) {
  connect();
  execute("UPDATE id_ranges SET next = LAST_INSERT_ID(next) + " + std::to_string(count) + " WHERE name = 'ids'");
  IdRange range;
  range.first = mysql_insert_id(mysql_);
  range.count = count;
  if (range.first < kFirstId) throw Error(Errc::corrupted, "the table id_ranges has lost its row");
  if (!flushes_) execute("FLUSH ENGINE LOGS");
  return range;
}

IdRange CatalogStore::reserve(std::uint64_t count) {
  const auto deadline = Clock::now() + options_.budget;
  while (true) {
    try {
      const IdRange range = tryReserve(count);
      if (range.end() > kEndOfIds) throw Error(Errc::noSpace, "all ids are used");
      return range;
    } catch (const Error& error) {
      disconnect();
      if (error.code() != Errc::unavailable || Clock::now() + kPause >= deadline) throw;
      log::warn("idserver.catalog_away", {{"reason", error.what()}});
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace vcfs::idserver
