#include "tests/unit/tracker/catalog/old_database.h"

#include <unistd.h>

#include <filesystem>

#include "common/base/mariadb_url.h"
#include "tests/unit/tracker/mariadb_server.h"
#include "tracker/catalog/mariadb/mariadb_connection.h"

namespace vcfs::tracker::test {

namespace {

using namespace std::chrono_literals;

// As the program has them: bytes, not text.
std::string bytes(const std::string& text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string literal = "x'";
  for (const char c : text) {
    literal += kDigits[static_cast<unsigned char>(c) >> 4];
    literal += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return literal + "'";
}

std::string list(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ", ") + value;
  return text;
}

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string newDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "vcfs-old-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a directory in /tmp");
  return name;
}

}  // namespace

OldDatabase::OldDatabase(const std::string& engine) : engine_(engine == "sqlite" ? Engine::sqlite : Engine::mariadb) {
  if (engine_ == Engine::sqlite) {
    directory_ = newDirectory();
    url_ = "sqlite:" + directory_ + "/catalog.db";
    sqlite_ = std::make_unique<SqliteConnection>(directory_ + "/catalog.db", false);
    sqlite_->script("PRAGMA synchronous=OFF");
  } else {
    url_ = MariadbServer::instance().newDatabase();
    mysql_ = connectBlocking(parseMariadbUrl(url_), 0, 5s, 60s);
  }
}

OldDatabase::~OldDatabase() {
  if (mysql_ != nullptr) mysql_close(mysql_);
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

void OldDatabase::run(const std::string& sql) {
  if (sqlite_) {
    sqlite_->script(sql);
  } else if (mysql_real_query(mysql_, sql.data(), sql.size()) != 0) {
    throw std::runtime_error(sql + ": " + mysql_error(mysql_));
  }
}

std::vector<std::string> OldDatabase::lines(const std::string& sql) {
  Rows rows;
  if (sqlite_) {
    // A connection of its own: statements are remembered by their address.
    rows = SqliteConnection(directory_ + "/catalog.db", true).run(Statement{sql.c_str()}, {});
  } else {
    run(sql);
    MYSQL_RES* result = mysql_store_result(mysql_);
    rows.setColumns(1);
    while (MYSQL_ROW row = mysql_fetch_row(result)) rows.add(Value(std::string(row[0])));
    mysql_free_result(result);
  }
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < rows.size(); ++i) texts.push_back(rows.text(i, 0));
  return texts;
}

void OldDatabase::begin(const Migration& step, std::size_t statements) {
  run("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL)");
  for (std::size_t i = 0; i < statements; ++i) run(step.statements[i]);
}

void OldDatabase::note(const Migration& step) {
  run("INSERT INTO schema_version VALUES (" + std::to_string(step.version) + ", '" + step.name + "')");
}

void OldDatabase::makeVersion(int version) {
  for (const Migration& step : steps()) {
    if (step.version > version) continue;
    begin(step, step.statements.size());
    note(step);
  }
  if (version > 0) insertRows(version);
}

void OldDatabase::insertInode(std::uint64_t inode, const std::string& rest) {
  run("INSERT INTO inodes (inode, type, mode, nlink, size, blocks, state, epoch, tenant, path, parent, group_name,"
      " copies, missing, flags, uid, gid, atime, mtime, ctime, rdev, change_id, target, opener, opened_at, mtime_fixed)"
      " VALUES (" +
      number(inode) + ", " + rest + ", 1000, 1000, 5, 5, 5, 0, 1, " + bytes("") + ", 0, 0, 0)");
}

void OldDatabase::insertRows(int version) {
  const std::string none = bytes("");
  const std::string group = bytes("g1");
  const std::string file = number(kFile);
  const std::string directory = number(kDirectory);
  const std::string client = number(kClient);
  run("INSERT INTO cluster (id, name, uuid, created_at) VALUES (1, " + list({bytes("old"), bytes("uuid"), "1)"}));
  insertInode(1, list({"2, 493, 3, 0, 0, 0, 0", none, none, "1", none, "0, 0, 0"}));
  insertInode(kDirectory, list({"2, 493, 2, 0, 0, 0, 0", none, bytes("meetings"), "1", none, "0, 0, 0"}));
  insertInode(kFile, list({"1, 420, 1, 4096, 8, 2, 3", bytes("meetings"), bytes("/meetings/rec"), "0", group, "2, 1",
                           version < 5 ? "0" : "16"}));
  run("INSERT INTO dentries (parent, name, inode, type, cookie) VALUES (1, " +
      list({bytes("meetings"), directory, "2", directory}) + "), (" + list({directory, bytes("rec"), file, "1", file}) +
      ")");
  run("INSERT INTO replicas (inode, position, storage, state) VALUES (" + file + ", 0, 1, 0), (" + file + ", 1, 2, 2)");
  run("INSERT INTO xattrs (inode, name, value) VALUES (" + list({file, bytes("user.a"), bytes("value")}) + ")");
  run("INSERT INTO storage_groups (name, copies) VALUES (" + group + ", 2)");
  run("INSERT INTO users (name, group_name) VALUES (" + list({bytes("meetings"), group}) + ")");
  for (const char* id : {"1", "2"}) {
    run("INSERT INTO storages (id, name, group_name, zone, address, data_directory) VALUES (" +
        list({id, bytes(std::string("s") + id), group, bytes("z"), bytes("s:1"), bytes("/data")}) + ")");
  }
  run("INSERT INTO requests (client, sequence, op, inode, other, flag, made_at) VALUES (" +
      list({client, number(kSequence), "1", file, "0, 1, 5)"}));
  run("INSERT INTO counters (name, value) VALUES (" + list({bytes("ids"), std::to_string(kNextId)}) + ")");
  if (version >= 2) run("UPDATE inodes SET reported_epoch = 3, reported_mtime = 5 WHERE inode = " + file);
  if (version >= 3) run("UPDATE storages SET draining = 1 WHERE id = 2");
  if (version < 4) return;
  run("INSERT INTO file_locks (inode, kind, client, owner, start_byte, end_byte, type, pid) VALUES (" +
      list({file, "1", client, "1, 0, 100, 2, 33)"}));
  run("INSERT INTO lock_clients (client, session, expires) VALUES (" + list({client, "1", "9000000000000000000)"}));
}

std::vector<std::string> OldDatabase::versions() {
  return lines("SELECT version FROM schema_version ORDER BY version");
}

int OldDatabase::definitionsTried() {
  return std::stoi(
      lines("SELECT CAST(SUM(variable_value) AS INTEGER) FROM information_schema.global_status"
            " WHERE variable_name IN ('COM_ALTER_TABLE', 'COM_CREATE_INDEX')")[0]);
}

std::vector<std::string> OldDatabase::schema() {
  if (engine_ == Engine::sqlite) {
    return lines("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'schema_version' ORDER BY name");
  }
  std::vector<std::string> all = lines(
      "SELECT CONCAT_WS(' ', table_name, ordinal_position, column_name, column_type, is_nullable,"
      " COALESCE(column_default, '-')) FROM information_schema.columns WHERE table_schema = DATABASE()"
      " ORDER BY table_name, ordinal_position");
  for (std::string& line : lines("SELECT CONCAT_WS(' ', table_name, index_name, seq_in_index, column_name, non_unique)"
                                 " FROM information_schema.statistics WHERE table_schema = DATABASE()"
                                 " ORDER BY table_name, index_name, seq_in_index")) {
    all.push_back(std::move(line));
  }
  return all;
}

}  // namespace vcfs::tracker::test
