#pragma once

#include <mysql.h>

#include <memory>
#include <string>
#include <vector>

#include "tracker/catalog/migrations.h"
#include "tracker/catalog/sqlite/sqlite_connection.h"

namespace vcfs::tracker::test {

// A database as trackers of an earlier version left it, or one that died while it changed the schema: made with the
// steps of schema/sql, statement by statement.
class OldDatabase {
 public:
  static constexpr std::uint64_t kDirectory = 2000;  // "/meetings"
  static constexpr std::uint64_t kFile = 2001;       // "/meetings/rec", with what the version knew
  static constexpr std::uint64_t kClient = 7;        // made it with its request kSequence, and locked it
  static constexpr std::uint64_t kSequence = 99;
  static constexpr std::int64_t kNextId = (std::int64_t{1} << 61) + 100;

  explicit OldDatabase(const std::string& engine);
  ~OldDatabase();
  OldDatabase(const OldDatabase&) = delete;
  OldDatabase& operator=(const OldDatabase&) = delete;

  const std::string& url() const { return url_; }
  std::vector<Migration> steps() const { return migrations(engine_); }
  void makeVersion(int version);                              // the steps up to this one, and rows as it had them
  void begin(const Migration& step, std::size_t statements);  // it, and no further
  void note(const Migration& step);                           // that it is done

  std::vector<std::string> versions();  // those that are noted
  std::vector<std::string> schema();    // every column and index
  int definitionsTried();               // MariaDB: of indexes and of columns of tables that were there, ever

 private:
  void run(const std::string& sql);
  std::vector<std::string> lines(const std::string& sql);  // the first column
  void insertRows(int version);
  void insertInode(std::uint64_t inode, const std::string& rest);

  Engine engine_;
  std::string url_;
  std::string directory_;
  std::unique_ptr<SqliteConnection> sqlite_;  // one of the two
  MYSQL* mysql_ = nullptr;
};

}  // namespace vcfs::tracker::test
