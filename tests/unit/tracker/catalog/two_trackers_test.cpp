// Two trackers on one MariaDB do at the same moment what only one can be the first to do.
#include <gtest/gtest.h>

#include "tests/unit/tracker/engines.h"
#include "tests/unit/tracker/mariadb_server.h"
#include "tracker/catalog/open_catalog.h"

namespace vcfs::tracker::test {

namespace {
constexpr Statement kPut{"REPLACE INTO counters (name, value) VALUES (?, ?)"};
constexpr Statement kAdd{"UPDATE counters SET value = value + 1 WHERE name = ?"};
constexpr Statement kGet{"SELECT value FROM counters WHERE name = ?"};
constexpr Statement kThink{"SELECT SLEEP(1.7)"};  // longer than the caller waits, shorter than a statement may last
constexpr Statement kBlink{"SELECT SLEEP(0.001)"};
constexpr Statement kKill{"KILL CONNECTION_ID()"};

// How often two operations ran, and how many of them have their first row.
struct Meeting {
  int runs = 0;
  int hold = 0;
};

// The first time, each waits until the other one has what it wants next.
Task<bool> addTo(SqlTx& tx, std::string first, std::string second, Meeting& meeting) {
  ++meeting.runs;
  co_await tx.exec(kAdd, first);
  ++meeting.hold;
  while (meeting.hold < 2) co_await tx.exec(kBlink);
  co_await tx.exec(kAdd, second);
  co_return true;
}
Task<std::int64_t> get(SqlTx& tx, std::string name) {
  const Rows rows = co_await tx.exec(kGet, name);
  co_return rows.empty() ? -1 : rows.integer(0, 0);
}
}  // namespace

class TwoTrackers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!MariadbServer::available()) GTEST_SKIP() << "no mariadbd on this machine";
    const std::string url = MariadbServer::instance().newDatabase();
    for (auto& catalog : catalogs_) catalog = loop_.run(openCatalog(loop_.runtime, url, 4));
  }

  // Runs both at once; how often each ended with which error (ok: none).
  template <class First, class Second>
  std::vector<Errc> both(First first, Second second) {
    std::vector<Errc> ends;
    auto ended = [&ends](std::exception_ptr error, auto&&...) {
      Errc code = Errc::ok;
      try {
        if (error) std::rethrow_exception(error);
      } catch (const Error& e) {
        code = e.code();
      }
      ends.push_back(code);
    };
    asio::co_spawn(loop_.io, catalogs_[0]->write(std::move(first)), ended);
    asio::co_spawn(loop_.io, catalogs_[1]->write(std::move(second)), ended);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (ends.size() < 2 && std::chrono::steady_clock::now() < deadline) {
      loop_.io.restart();
      loop_.io.run_one_for(std::chrono::milliseconds(100));
    }
    return ends;
  }

  Loop loop_;
  std::unique_ptr<Catalog> catalogs_[2];
};

TEST_F(TwoTrackers, the_first_lease_of_ids_is_given_once) {
  std::vector<std::uint64_t> given;
  auto lease = [&given](SqlTx& tx) -> Task<bool> {
    const std::uint64_t first = co_await ops::leaseIds(tx, 100);
    given.push_back(first);
    co_return true;
  };
  const auto ends = both(lease, lease);
  ASSERT_EQ(ends.size(), 2u);
  const auto good = std::count(ends.begin(), ends.end(), Errc::ok);
  ASSERT_GE(good, 1);
  // Who was late asks again, and is given others.
  const auto repeat = both(lease, lease);
  ASSERT_EQ(std::count(repeat.begin(), repeat.end(), Errc::ok), 2);
  const auto next = loop_.run(catalogs_[0]->write([](SqlTx& tx) { return ops::leaseIds(tx, 100); }));
  const std::uint64_t begin = *std::min_element(given.begin(), given.end());
  EXPECT_EQ(next, begin + static_cast<std::uint64_t>(good + 2) * 100);
}

TEST_F(TwoTrackers, one_cluster_is_made_and_the_other_finds_it) {
  auto make = [](SqlTx& tx) { return ops::bootstrap(tx, "name", "uuid", 1); };
  const auto ends = both(make, make);
  ASSERT_EQ(ends.size(), 2u);
  for (Errc end : ends) EXPECT_TRUE(end == Errc::ok || end == Errc::exists) << nameOf(end);
  const auto found = loop_.run(catalogs_[1]->write(std::move(make)));
  EXPECT_EQ(found.uuid, "uuid");
}

// Whose first file is made at both at once, where each would choose another group.
TEST_F(TwoTrackers, a_new_user_gets_the_group_that_was_chosen_first) {
  auto make = [](SqlTx& tx) { return ops::bootstrap(tx, "name", "uuid", 1); };
  loop_.run(catalogs_[0]->write(std::move(make)));
  const auto viewWithMostIn = [](const std::string& group) {
    auto view = std::make_shared<PlacementView>();
    for (const char* name : {"g1", "g2"}) {
      Server server;
      server.id = static_cast<StorageId>(view->servers.size() + 1);
      server.group = server.zone = name;
      server.alive = true;
      server.capacityBytes = 1ull << 40;
      server.freeBytes = group == name ? 1ull << 40 : 1ull << 30;
      view->servers.push_back(std::move(server));
    }
    return view;
  };
  const std::shared_ptr<const PlacementView> views[] = {viewWithMostIn("g1"), viewWithMostIn("g2")};
  for (int i = 0; i < 20; ++i) {
    const std::string user = "user" + std::to_string(i);
    std::vector<std::string> groups;
    const auto choose = [&groups, user](std::shared_ptr<const PlacementView> view) {
      return [&groups, user, view](SqlTx& tx) -> Task<bool> {
        const ops::GroupRow group = co_await ops::groupForUser(tx, user, view);
        groups.push_back(group.name);
        co_return true;
      };
    };
    const auto ends = both(choose(views[0]), choose(views[1]));
    ASSERT_EQ(std::count(ends.begin(), ends.end(), Errc::ok), 2);
    auto list = [](SqlTx& tx) { return ops::listUsers(tx); };
    const auto users = loop_.run(catalogs_[0]->read(std::move(list)));
    const auto found = std::find_if(users.begin(), users.end(), [&](const auto& one) { return one.name == user; });
    ASSERT_NE(found, users.end());
    // A run that was repeated chose again.
    ASSERT_GE(groups.size(), 2u);
    EXPECT_EQ(groups[groups.size() - 1], found->group);
    EXPECT_EQ(groups[groups.size() - 2], found->group);
  }
}

TEST_F(TwoTrackers, a_deadlock_is_repeated_until_both_are_done) {
  const std::string a = "a";
  const std::string b = "b";
  auto prepare = [a, b](SqlTx& tx) -> Task<bool> {
    co_await tx.exec(kPut, a, 0);
    co_await tx.exec(kPut, b, 0);
    co_return true;
  };
  loop_.run(catalogs_[0]->write(std::move(prepare)));
  for (int i = 1; i <= 10; ++i) {
    Meeting meeting;
    auto forwards = [a, b, &meeting](SqlTx& tx) { return addTo(tx, a, b, meeting); };
    auto backwards = [a, b, &meeting](SqlTx& tx) { return addTo(tx, b, a, meeting); };
    const auto ends = both(std::move(forwards), std::move(backwards));
    ASSERT_EQ(std::count(ends.begin(), ends.end(), Errc::ok), 2);
    ASSERT_EQ(meeting.runs, 3) << "one was rolled back";
    auto read = [a](SqlTx& tx) { return get(tx, a); };
    ASSERT_EQ(loop_.run(catalogs_[1]->read(std::move(read))), 2 * i);
  }
}

TEST_F(TwoTrackers, a_transaction_whose_connection_is_lost_is_run_again) {
  int runs = 0;
  const std::string name = "lost";
  auto op = [&runs, name](SqlTx& tx) -> Task<bool> {
    co_await tx.exec(kPut, name, 1);
    if (++runs == 1) co_await tx.exec(kKill);
    co_await tx.exec(kAdd, name);
    co_return true;
  };
  EXPECT_TRUE(loop_.run(catalogs_[0]->write(std::move(op))));
  EXPECT_EQ(runs, 2);
  auto read = [name](SqlTx& tx) { return get(tx, name); };
  EXPECT_EQ(loop_.run(catalogs_[0]->read(std::move(read))), 2);
}

TEST_F(TwoTrackers, what_is_committed_after_its_caller_has_given_up_is_said) {
  int late = 0;
  catalogs_[0]->onLateCommit([&late] { ++late; });
  const std::string name = "late";
  auto op = [name](SqlTx& tx) -> Task<bool> {
    co_await tx.exec(kPut, name, 1);
    co_await tx.exec(kThink);
    co_return true;
  };
  Errc code = Errc::ok;
  try {
    loop_.run(catalogs_[0]->write(std::move(op)));
  } catch (const Error& error) {
    code = error.code();
  }
  EXPECT_EQ(code, Errc::unavailable);
  EXPECT_EQ(late, 0);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (late == 0 && std::chrono::steady_clock::now() < deadline) {
    loop_.io.restart();
    loop_.io.run_one_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(late, 1);
  auto read = [name](SqlTx& tx) { return get(tx, name); };
  EXPECT_EQ(loop_.run(catalogs_[1]->read(std::move(read))), 1);
}

}  // namespace vcfs::tracker::test
