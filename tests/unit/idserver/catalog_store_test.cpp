#include "idserver/store/catalog_store.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "common/base/error.h"
#include "tests/unit/tracker/mariadb_server.h"

// Several ID servers on one MariaDB, a private one of this test.
namespace vcfs::idserver {

namespace {

using tracker::test::MariadbServer;

class CatalogStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!MariadbServer::available()) GTEST_SKIP() << "mariadbd is not installed";
    options_.url = parseMariadbUrl(MariadbServer::instance().newDatabase());
    options_.budget = std::chrono::milliseconds(500);
  }
  void sql(const std::string& statement) {
    MYSQL* mysql = mysql_init(nullptr);
    const MariadbUrl& url = options_.url;
    ASSERT_NE(mysql_real_connect(mysql, nullptr, url.user.c_str(), url.password.c_str(), url.database.c_str(), 0,
                                 url.servers.at(0).socket.c_str(), 0),
              nullptr)
        << mysql_error(mysql);
    EXPECT_EQ(mysql_query(mysql, statement.c_str()), 0) << mysql_error(mysql);
    mysql_close(mysql);
  }
  CatalogStore::Options options_;
};

}  // namespace

TEST_F(CatalogStoreTest, a_new_catalog_begins_at_the_first_id_and_goes_on_after_a_restart) {
  const IdRange first = CatalogStore(options_).reserve(100);
  EXPECT_EQ(first.first, kFirstId);
  EXPECT_EQ(CatalogStore(options_).reserve(1).first, first.end());
}

TEST_F(CatalogStoreTest, servers_that_share_a_catalog_never_get_the_same_ids) {
  constexpr int kServers = 3;
  constexpr int kRanges = 60;
  std::vector<std::vector<IdRange>> got(kServers);
  std::vector<std::thread> servers;
  for (int i = 0; i < kServers; ++i) {
    servers.emplace_back([&, i] {
      CatalogStore store(options_);
      for (int n = 0; n < kRanges; ++n) got[i].push_back(store.reserve(static_cast<std::uint64_t>(n % 7 + 1)));
    });
  }
  for (std::thread& server : servers) server.join();
  std::set<std::uint64_t> ids;
  std::size_t total = 0;
  for (const auto& ranges : got) {
    for (const IdRange& range : ranges) {
      total += range.count;
      for (std::uint64_t id = range.first; id < range.end(); ++id) ids.insert(id);
    }
  }
  EXPECT_EQ(ids.size(), total);
}

TEST_F(CatalogStoreTest, a_catalog_whose_ids_came_from_elsewhere_is_continued_far_above_them) {
  sql("CREATE TABLE inodes (inode BIGINT NOT NULL PRIMARY KEY)");
  sql("CREATE TABLE dentries (cookie BIGINT NOT NULL)");
  sql("INSERT INTO inodes VALUES (1), (5000000)");
  EXPECT_GT(CatalogStore(options_).reserve(1).first, 5'000'000u + 1'000'000u);
}

TEST_F(CatalogStoreTest, with_the_database_away_it_says_unavailable_within_its_budget) {
  options_.url.servers.at(0).socket = "/nowhere/mysqld.sock";
  CatalogStore store(options_);
  try {
    store.reserve(1);
    FAIL() << "reserved";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unavailable);
  }
}

}  // namespace vcfs::idserver
