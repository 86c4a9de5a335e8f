#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/mariadb_url.h"
#include "tests/unit/tracker/engines.h"
#include "tracker/catalog/migrations.h"
#include "tracker/catalog/open_catalog.h"
#include "tracker/catalog/sqlite/sqlite_catalog.h"
#include "tracker/catalog/sqlite/sqlite_connection.h"

namespace vcfs::tracker::test {

namespace {
constexpr Statement kPut{"REPLACE INTO counters (name, value) VALUES (?, ?)"};
constexpr Statement kInsert{"INSERT INTO counters (name, value) VALUES (?, ?)"};
constexpr Statement kGet{"SELECT value FROM counters WHERE name = ?"};

Task<bool> put(SqlTx& tx, std::string name, std::int64_t value) {
  co_await tx.exec(kPut, name, value);
  co_return true;
}
Task<bool> putThenFail(SqlTx& tx, std::string name) {
  co_await tx.exec(kPut, name, 1);
  throw Error(Errc::notEmpty, "on purpose");
}
Task<std::int64_t> get(SqlTx& tx, std::string name) {
  const Rows rows = co_await tx.exec(kGet, name);
  co_return rows.empty() ? -1 : rows.integer(0, 0);
}
}  // namespace

class CatalogTest : public OpsTest {};
INSTANTIATE_TEST_SUITE_P(Engines, CatalogTest, ::testing::Values("sqlite", "mariadb"));

TEST_P(CatalogTest, a_commit_is_seen_by_the_next_read) {
  write([](SqlTx& tx) { return put(tx, "a", 7); });
  EXPECT_EQ(read([](SqlTx& tx) { return get(tx, "a"); }), 7);
}

TEST_P(CatalogTest, one_failed_operation_of_a_batch_leaves_the_others_alone) {
  int ok = 0;
  int failed = 0;
  auto count = [&](std::exception_ptr error, bool) { ++(error ? failed : ok); };
  for (int i = 0; i < 30; ++i) {
    const std::string name = "n" + std::to_string(i);
    auto good = [name](SqlTx& tx) { return put(tx, name, 5); };
    auto bad = [name](SqlTx& tx) { return putThenFail(tx, "bad" + name); };
    asio::co_spawn(loop_->io, catalog_->write(std::move(good)), count);
    asio::co_spawn(loop_->io, catalog_->write(std::move(bad)), count);
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (ok + failed < 60 && std::chrono::steady_clock::now() < deadline) {
    loop_->io.restart();
    loop_->io.run_one_for(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(ok, 30);
  EXPECT_EQ(failed, 30);
  for (int i = 0; i < 30; ++i) {
    const std::string name = "n" + std::to_string(i);
    EXPECT_EQ(read([name](SqlTx& tx) { return get(tx, name); }), 5);
    EXPECT_EQ(read([name](SqlTx& tx) { return get(tx, "bad" + name); }), -1);
  }
}

TEST_P(CatalogTest, a_taken_key_is_exists) {
  auto insert = [](SqlTx& tx) -> Task<bool> {
    const std::string name = "key";
    co_await tx.exec(kInsert, name, 1);
    co_return true;
  };
  write(insert);
  EXPECT_EQ(codeOf([&] { write(insert); }), Errc::exists);
}

TEST_P(CatalogTest, stable_commits_and_sync_return) {
  auto op = [](SqlTx& tx) { return put(tx, "a", 1); };
  EXPECT_TRUE(loop_->run(catalog_->write(std::move(op), Durability::stable)));
  loop_->run(catalog_->sync());
}

// A backup that takes long.
TEST(SqliteLog, a_reader_that_keeps_it_from_starting_anew_holds_no_write_up) {
  Loop loop;
  const auto directory = std::filesystem::temp_directory_path() / ("vcfs-held-log-" + std::to_string(::getpid()));
  std::filesystem::create_directory(directory);
  SqliteOptions options;
  options.path = (directory / "catalog.db").string();
  options.truncateBytes = 1u << 20;
  {
    SqliteCatalog catalog(loop.runtime, options);
    int i = 0;
    std::chrono::steady_clock::duration longest{};
    auto writeOne = [&] {
      const auto begun = std::chrono::steady_clock::now();
      const std::string name = "n" + std::to_string(i++);
      auto op = [name](SqlTx& tx) { return put(tx, name, 1); };
      loop.run(catalog.write(std::move(op)));
      longest = std::max(longest, std::chrono::steady_clock::now() - begun);
    };
    writeOne();
    SqliteConnection backup(options.path, true);
    backup.run(Statement{"BEGIN"}, {});
    backup.run(Statement{"SELECT COUNT(*) FROM sqlite_master"}, {});
    const auto limit = std::chrono::milliseconds(2500);  // the busy timeout is 5 s
    const auto logBytes = [&] { return std::filesystem::file_size(options.path + "-wal"); };
    while (logBytes() < 2 * options.truncateBytes && longest < limit) writeOne();
    EXPECT_LT(longest, limit);
  }
  std::filesystem::remove_all(directory);
}

// Else a restart after a month would read a month of changes.
TEST(SqliteLog, starts_anew_again_and_again) {
  Loop loop;
  const auto directory = std::filesystem::temp_directory_path() / ("vcfs-log-" + std::to_string(::getpid()));
  std::filesystem::create_directory(directory);
  SqliteOptions options;
  options.path = (directory / "catalog.db").string();
  options.checkpointBytes = 128u << 10;
  options.truncateBytes = 1u << 20;
  {
    SqliteCatalog catalog(loop.runtime, options);
    // It cannot while a copy of it is under way, which takes as long as the disk does. False after a minute.
    auto writeUntil = [&](bool large) {
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
      for (int i = 0; std::chrono::steady_clock::now() < deadline; ++i) {
        const std::string name = "n" + std::to_string(i % 50);
        auto op = [name](SqlTx& tx) { return put(tx, name, 1); };
        loop.run(catalog.write(std::move(op)));
        if ((std::filesystem::file_size(options.path + "-wal") >= options.truncateBytes) == large) return true;
      }
      return false;
    };
    for (int round = 0; round < 3; ++round) {
      ASSERT_TRUE(writeUntil(true));
      ASSERT_TRUE(writeUntil(false));
    }
  }
  std::filesystem::remove_all(directory);
}

TEST(OpenCatalog, the_directory_of_an_embedded_one_is_made) {
  Loop loop;
  const auto directory = std::filesystem::temp_directory_path() / ("vcfs-open-" + std::to_string(::getpid()));
  const auto file = directory / "new/catalog.db";
  { const auto catalog = loop.run(openCatalog(loop.runtime, "sqlite:" + file.string(), 1, std::chrono::seconds(1))); }
  EXPECT_TRUE(std::filesystem::exists(file));
  std::filesystem::remove_all(directory);
}

TEST(OpenCatalog, a_directory_that_cannot_be_made_is_named) {
  Loop loop;
  try {
    loop.run(openCatalog(loop.runtime, "sqlite:/proc/nowhere/catalog.db", 1, std::chrono::seconds(1)));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(error.detail().find("cannot make /proc/nowhere"), std::string::npos) << error.detail();
  }
}

TEST(Migrations, lines_of_the_other_engine_are_left_out) {
  const std::string file =
      "-- words; more\nCREATE TABLE a (\n--@sqlite x INT\n--@mariadb y INT\n) -- end\n;\nCREATE INDEX b;\n";
  const auto sqlite = splitStatements(file, Engine::sqlite);
  ASSERT_EQ(sqlite.size(), 2u);
  EXPECT_NE(sqlite[0].find("x INT"), std::string::npos);
  EXPECT_EQ(sqlite[0].find("y INT"), std::string::npos);
  EXPECT_EQ(sqlite[1], "CREATE INDEX b");
}

TEST(MariadbUrl, parts_and_what_is_missing) {
  const auto url = parseMariadbUrl("mariadb://vc%40fs:p%3Aw@db.example:3307/store");
  EXPECT_EQ(url.user, "vc@fs");
  EXPECT_EQ(url.password, "p:w");
  ASSERT_EQ(url.servers.size(), 1u);
  EXPECT_EQ(url.servers[0].host, "db.example");
  EXPECT_EQ(url.servers[0].port, 3307);
  EXPECT_EQ(url.database, "store");
  EXPECT_EQ(parseMariadbUrl("mariadb://u@%2Frun%2Fsock/d").servers[0].socket, "/run/sock");
  for (const char* bad : {"mariadb://u@h", "mariadb://h/d", "mariadb://u@h:0/d", "mariadb://u@h:x/d", "mysql://u@h/d",
                          "mariadb://u@/d", "mariadb://u@a,/d", "mariadb://u@a:1,b:0/d"}) {
    EXPECT_THROW(parseMariadbUrl(bad), Error) << bad;
  }
}

TEST(MariadbUrl, several_hosts_are_nodes_of_one_cluster) {
  const auto url = parseMariadbUrl("mariadb://u:p@db1,db2:3307,10.0.0.3/store");
  ASSERT_EQ(url.servers.size(), 3u);
  EXPECT_EQ(url.servers[0].port, 3306);
  EXPECT_EQ(url.servers[1].host, "db2");
  EXPECT_EQ(url.servers[1].port, 3307);
  EXPECT_EQ(url.servers[2].host, "10.0.0.3");
}

TEST(MariadbUrl, shown_to_people_has_no_user_and_no_password) {
  EXPECT_EQ(withoutCredentials("mariadb://u:p@db1,db2:3307/store"), "mariadb://db1,db2:3307/store");
  EXPECT_EQ(withoutCredentials("mariadb://u:a@b@db1/store"), "mariadb://db1/store");
  EXPECT_EQ(withoutCredentials("sqlite:/var/a@b.db"), "sqlite:/var/a@b.db");
}

}  // namespace vcfs::tracker::test
