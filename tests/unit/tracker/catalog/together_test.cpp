#include <gtest/gtest.h>

#include "tests/unit/tracker/engines.h"

// Statements that travel together: SqlTx::execAll, SqlTx::later.
namespace vcfs::tracker::test {

namespace {
constexpr Statement kPut{"REPLACE INTO counters (name, value) VALUES (?, ?)"};
constexpr Statement kInsert{"INSERT INTO counters (name, value) VALUES (?, ?)"};
constexpr Statement kAdd{"UPDATE counters SET value = value + ? WHERE name = ?"};
constexpr Statement kGet{"SELECT value, name FROM counters WHERE name = ?"};
constexpr Statement kLock{"SELECT value, name FROM counters WHERE name = ? /*lock*/"};
constexpr Statement kNull{"SELECT MAX(value), ? FROM counters WHERE name = ?"};

Task<bool> put(SqlTx& tx, std::string name, std::int64_t value) {
  tx.later(kPut, name, value);
  co_return true;
}
Task<bool> insert(SqlTx& tx, std::string name, std::int64_t value) {
  tx.later(kInsert, name, value);
  co_return true;
}
Task<bool> putThenFail(SqlTx& tx, std::string name) {
  tx.later(kPut, name, 1);
  throw Error(Errc::notEmpty, "on purpose");
}
Task<std::int64_t> get(SqlTx& tx, std::string name) {
  const Rows rows = co_await tx.exec(kGet, name);
  co_return rows.empty() ? -1 : rows.integer(0, 0);
}
Task<bool> refuse(SqlTx& tx, std::string name) {
  const auto found = co_await tx.execAll(query(kLock, name), query(kGet, name));
  if (!found[1].empty()) throw Error(Errc::exists, "the name exists");
  co_return true;
}
// Goes on after a write has failed that need not be its own.
Task<bool> takeNoNotice(SqlTx& tx, std::string taken, std::string name) {
  tx.later(kInsert, taken, 1);
  try {
    co_await tx.exec(kGet, taken);
  } catch (const Error& error) {
    if (error.code() != Errc::exists) throw;
  }
  tx.later(kPut, name, 1);
  co_return true;
}
}  // namespace

class TogetherTest : public OpsTest {
 protected:
  std::int64_t value(const std::string& name) {
    return read([name](SqlTx& tx) { return get(tx, name); });
  }
  // All at once, so that they share transactions; how each ended.
  std::vector<Errc> all(std::vector<std::function<Task<bool>(SqlTx&)>> operations) {
    std::vector<Errc> ends(operations.size(), Errc::ok);
    std::size_t left = operations.size();
    for (std::size_t i = 0; i < operations.size(); ++i) {
      auto done = [&ends, &left, i](std::exception_ptr error, bool) {
        --left;
        if (!error) return;
        try {
          std::rethrow_exception(error);
        } catch (const Error& e) {
          ends[i] = e.code();
        }
      };
      asio::co_spawn(loop_->io, catalog_->write(operations[i]), done);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (left > 0 && std::chrono::steady_clock::now() < deadline) {
      loop_->io.restart();
      loop_->io.run_one_for(std::chrono::milliseconds(100));
    }
    EXPECT_EQ(left, 0u);
    return ends;
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, TogetherTest, ::testing::Values("sqlite", "mariadb"));

TEST_P(TogetherTest, each_statement_sees_those_before_it) {
  const auto answers = write([](SqlTx& tx) -> Task<std::vector<Rows>> {
    const std::string name = "a";
    tx.later(kPut, name, 5);
    co_return co_await tx.execAll(query(kAdd, -7, name), query(kLock, name), query(kAdd, 1, name), query(kGet, name));
  });
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[0].changed(), 1u);
  EXPECT_EQ(answers[1].integer(0, 0), -2);
  EXPECT_EQ(answers[3].integer(0, 0), -1);
  EXPECT_EQ(value("a"), -1);
}

TEST_P(TogetherTest, values_arrive_as_they_are) {
  std::string bytes;
  for (int c = 0; c < 30; ++c) bytes += static_cast<char>(c);
  for (const std::string& name : {bytes, std::string("a'; DROP TABLE counters; -- ?"), std::string("\\'\"%_;"),
                                  std::string("\xff\xfe\x80"), std::string()}) {
    const std::int64_t least = INT64_MIN;
    const auto rows = write([name, least](SqlTx& tx) -> Task<std::vector<Rows>> {
      tx.later(kPut, name, least);
      co_return co_await tx.execAll(query(kGet, name), query(kNull, name, std::string("no such")));
    });
    EXPECT_EQ(rows[0].integer(0, 0), least);
    EXPECT_EQ(rows[0].text(0, 1), name);
    EXPECT_TRUE(std::holds_alternative<std::monostate>(rows[1].at(0, 0)));
    EXPECT_EQ(rows[1].text(0, 1), name);
    const auto again = read([name](SqlTx& tx) { return tx.execAll(query(kGet, name), query(kGet, name)); });
    EXPECT_EQ(again[1].text(0, 1), name);
  }
}

TEST_P(TogetherTest, what_failed_is_told_to_whom_it_belongs) {
  write([](SqlTx& tx) { return put(tx, "taken", 1); });
  std::vector<std::function<Task<bool>(SqlTx&)>> operations;
  for (int i = 0; i < 20; ++i) {
    const std::string name = "n" + std::to_string(i);
    operations.push_back([name](SqlTx& tx) { return put(tx, name, 5); });
    operations.push_back([](SqlTx& tx) { return insert(tx, "taken", 2); });
    operations.push_back([name](SqlTx& tx) { return putThenFail(tx, "bad" + name); });
    operations.push_back([](SqlTx& tx) -> Task<bool> { co_return co_await get(tx, "taken") == 1; });
  }
  const auto ends = all(operations);
  for (std::size_t i = 0; i < ends.size(); i += 4) {
    EXPECT_EQ(ends[i], Errc::ok);
    EXPECT_EQ(ends[i + 1], Errc::exists);
    EXPECT_EQ(ends[i + 2], Errc::notEmpty);
    EXPECT_EQ(ends[i + 3], Errc::ok);
    const std::string name = "n" + std::to_string(i / 4);
    EXPECT_EQ(value(name), 5);
    EXPECT_EQ(value("bad" + name), -1);
  }
  EXPECT_EQ(value("taken"), 1);
}

// Else a name that is taken would cost those who share its transaction one of their own each.
TEST_P(TogetherTest, who_fails_before_he_wrote_makes_nobody_run_again) {
  write([](SqlTx& tx) { return put(tx, "taken", 1); });
  int runs = 0;
  std::vector<std::function<Task<bool>(SqlTx&)>> operations;
  for (int i = 0; i < 20; ++i) {
    operations.push_back([&runs, name = "n" + std::to_string(i)](SqlTx& tx) {
      ++runs;
      return put(tx, name, 5);
    });
    operations.push_back([&runs](SqlTx& tx) {
      ++runs;
      return refuse(tx, "taken");
    });
  }
  const auto ends = all(operations);
  EXPECT_EQ(std::count(ends.begin(), ends.end(), Errc::ok), 20);
  EXPECT_EQ(std::count(ends.begin(), ends.end(), Errc::exists), 20);
  EXPECT_EQ(runs, 40);
}

// A caught error may be that of another operation's write, which would be lost with the rest of the message.
TEST_P(TogetherTest, nobody_goes_on_after_a_write_that_failed) {
  write([](SqlTx& tx) { return put(tx, "taken", 1); });
  std::vector<std::function<Task<bool>(SqlTx&)>> operations;
  operations.push_back([](SqlTx& tx) { return put(tx, "before", 5); });
  operations.push_back([](SqlTx& tx) { return takeNoNotice(tx, "taken", "after"); });
  operations.push_back([](SqlTx& tx) { return put(tx, "behind", 5); });
  const auto ends = all(operations);
  EXPECT_EQ(ends[0], Errc::ok);
  EXPECT_NE(ends[1], Errc::ok);
  EXPECT_EQ(ends[2], Errc::ok);
  EXPECT_EQ(value("before"), 5);
  EXPECT_EQ(value("after"), -1);
  EXPECT_EQ(value("behind"), 5);
}

}  // namespace vcfs::tracker::test
