#include "tracker/catalog/mariadb/mariadb_migrate.h"

#include <mysqld_error.h>

#include "tracker/catalog/mariadb/mariadb_connection.h"
#include "tracker/catalog/migrations.h"

namespace vcfs::tracker {

namespace {

void execute(MYSQL* mysql, const std::string& sql) {
  if (mysql_real_query(mysql, sql.data(), sql.size()) == 0) return;
  throw MariadbError(mysql_errno(mysql), std::string(mysql_error(mysql)) + " in " + sql.substr(0, 120));
}

long long scalar(MYSQL* mysql, const std::string& sql) {
  execute(mysql, sql);
  MYSQL_RES* result = mysql_store_result(mysql);
  if (result == nullptr) return 0;
  const MYSQL_ROW row = mysql_fetch_row(result);
  const long long value = row != nullptr && row[0] != nullptr ? std::atoll(row[0]) : 0;
  mysql_free_result(result);
  return value;
}

// MariaDB commits each definition by itself, so an interrupted step is found half done.
void apply(MYSQL* mysql, const std::string& statement) {
  if (mysql_real_query(mysql, statement.data(), statement.size()) == 0) return;
  const unsigned number = mysql_errno(mysql);
  if (number == ER_TABLE_EXISTS_ERROR || number == ER_DUP_KEYNAME || number == ER_DUP_FIELDNAME) return;
  throw MariadbError(number, std::string(mysql_error(mysql)) + " in " + statement.substr(0, 120));
}

void applyMissing(MYSQL* mysql) {
  execute(mysql,
          "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL)"
          " ENGINE=InnoDB");
  const auto present = scalar(mysql, "SELECT COALESCE(MAX(version), 0) FROM schema_version");
  if (present > schemaVersion()) {
    throw Error(Errc::notSupported, "the catalog has schema version " + std::to_string(present) +
                                        ", this program knows " + std::to_string(schemaVersion()) +
                                        "; run the newer vcfs-tracker");
  }
  for (const Migration& step : migrations(Engine::mariadb)) {
    if (step.version <= present) continue;
    for (const std::string& statement : step.statements) apply(mysql, statement);
    execute(mysql, "REPLACE INTO schema_version VALUES (" + std::to_string(step.version) + ", '" + step.name + "')");
  }
}

}  // namespace

void migrateMariadb(MYSQL* mysql) {
  if (scalar(mysql, "SELECT GET_LOCK(CONCAT('vcfs_schema_', DATABASE()), 60)") != 1) {
    throw Error(Errc::unavailable, "another tracker has been changing the catalog's schema for a minute");
  }
  try {
    applyMissing(mysql);
  } catch (...) {
    mysql_query(mysql, "DO RELEASE_LOCK(CONCAT('vcfs_schema_', DATABASE()))");
    throw;
  }
  execute(mysql, "DO RELEASE_LOCK(CONCAT('vcfs_schema_', DATABASE()))");
}

bool commitsAreStable(MYSQL* mysql) { return scalar(mysql, "SELECT @@innodb_flush_log_at_trx_commit") == 1; }

}  // namespace vcfs::tracker
