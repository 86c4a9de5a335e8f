#include <errmsg.h>
#include <gtest/gtest.h>
#include <mysqld_error.h>

#include "tracker/catalog/mariadb/retry.h"

namespace vcfs::tracker::test {

namespace {
using namespace std::chrono_literals;
const TimePoint kStart = TimePoint() + 1h;
}  // namespace

TEST(MariadbCure, conflicts_are_repeated_where_they_happened) {
  for (unsigned number : {ER_LOCK_DEADLOCK, ER_LOCK_WAIT_TIMEOUT, ER_CHECKREAD, ER_ERROR_DURING_COMMIT}) {
    EXPECT_EQ(cureOf(number), Cure::repeat) << number;
  }
}

TEST(MariadbCure, what_a_server_cannot_do_is_repeated_on_a_new_connection) {
  for (unsigned number : {ER_UNKNOWN_COM_ERROR, ER_OPTION_PREVENTS_STATEMENT, ER_SERVER_SHUTDOWN, ER_CON_COUNT_ERROR}) {
    EXPECT_EQ(cureOf(number), Cure::reconnect) << number;
  }
  for (unsigned number : {CR_SERVER_LOST, CR_SERVER_GONE_ERROR, CR_CONN_HOST_ERROR, CR_CONNECTION_ERROR}) {
    EXPECT_EQ(cureOf(number), Cure::reconnect) << number;
  }
}

TEST(MariadbCure, answers_that_will_not_change_are_not_repeated) {
  for (unsigned number :
       {ER_DUP_ENTRY, ER_RECORD_FILE_FULL, ER_ACCESS_DENIED_ERROR, ER_PARSE_ERROR, ER_NO_SUCH_TABLE}) {
    EXPECT_EQ(cureOf(number), Cure::none) << number;
  }
}

TEST(Patience, pauses_grow_up_to_a_bound) {
  Patience patience(kStart + 1h);
  Duration last{};
  for (int i = 0; i < 20; ++i) {
    const auto pause = patience.pause(kStart);
    ASSERT_TRUE(pause);
    EXPECT_GE(*pause, last);
    last = *pause;
  }
  EXPECT_EQ(last, Patience::kLongest);
}

TEST(Patience, ends_before_the_callers_time_is_up) {
  Patience patience(kStart + 100ms);
  TimePoint now = kStart;
  while (auto pause = patience.pause(now)) {
    now = now + *pause;
    ASSERT_LT(now, kStart + 100ms);
  }
  EXPECT_GT(now, kStart + 30ms);
}

TEST(ServerChoice, the_first_is_used_while_it_works) {
  ServerChoice choice(3);
  EXPECT_EQ(choice.next(kStart), 0u);
  choice.worked(0);
  EXPECT_EQ(choice.next(kStart + 1h), 0u);
}

TEST(ServerChoice, a_failed_one_rests_and_the_next_is_kept) {
  ServerChoice choice(3);
  choice.failed(0, kStart);
  EXPECT_EQ(choice.next(kStart), 1u);
  choice.worked(1);
  EXPECT_EQ(choice.next(kStart + 1h), 1u);
}

TEST(ServerChoice, nobody_is_left_when_all_failed_a_moment_ago) {
  ServerChoice choice(2);
  choice.failed(0, kStart);
  choice.failed(1, kStart);
  EXPECT_EQ(choice.next(kStart), std::nullopt);
  EXPECT_NE(choice.next(kStart + ServerChoice::kFirstRest), std::nullopt);
}

TEST(ServerChoice, rests_grow_and_one_failure_told_by_many_counts_once) {
  ServerChoice choice(1);
  for (int i = 0; i < 10; ++i) choice.failed(0, kStart);
  EXPECT_EQ(choice.next(kStart + ServerChoice::kFirstRest), 0u);
  TimePoint now = kStart + ServerChoice::kFirstRest;
  for (int i = 0; i < 10; ++i) {
    choice.failed(0, now);
    now = now + ServerChoice::kLongestRest;
    EXPECT_EQ(choice.next(now), 0u);
  }
  choice.worked(0);
  choice.failed(0, now);
  EXPECT_EQ(choice.next(now + ServerChoice::kFirstRest), 0u);
}

}  // namespace vcfs::tracker::test
