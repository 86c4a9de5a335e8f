#include "tracker/core/trash_ledger.h"

#include <gtest/gtest.h>

#include "tracker/core/space_hold.h"

using namespace vcfs;
using namespace vcfs::tracker;
using namespace std::chrono_literals;

namespace {

using Bytes = std::map<StorageId, std::uint64_t>;

TimePoint at(Duration d) { return TimePoint{} + d; }

}  // namespace

TEST(TrashLedger, adds_up_what_is_not_due_yet) {
  TrashLedger ledger(10, 0);
  ledger.add(5, 1, 100, 0);
  ledger.add(15, 1, 20, 0);
  ledger.add(15, 2, 7, 0);
  ledger.add(19, 1, 3, 0);
  EXPECT_EQ(ledger.outstanding(4), (Bytes{{1, 123}, {2, 7}}));
  EXPECT_EQ(ledger.outstanding(10), (Bytes{{1, 23}, {2, 7}}));
  EXPECT_EQ(ledger.outstanding(20), Bytes{});
  ledger.add(25, 2, 9, 20);
  EXPECT_EQ(ledger.outstanding(20), (Bytes{{2, 9}}));
}

TEST(TrashLedger, counts_what_is_due_until_it_can_be_on_the_disk) {
  TrashLedger ledger(10, 50);
  ledger.add(5, 1, 100, 0);
  EXPECT_EQ(ledger.outstanding(59), (Bytes{{1, 100}}));
  EXPECT_EQ(ledger.outstanding(60), Bytes{});
  ledger.add(15, 1, 20, 60);
  EXPECT_EQ(ledger.outstanding(60), (Bytes{{1, 20}})) << "it is due, and not deleted yet";
}

TEST(TrashLedger, counts_what_is_overdue_for_as_long_as_it_is_asked) {
  TrashLedger ledger(10, 50);
  ledger.add(5, 1, 100, 75);
  ledger.add(80, 1, 20, 75);
  EXPECT_EQ(ledger.outstanding(75), (Bytes{{1, 120}})) << "there was no coordinator to delete it";
  EXPECT_EQ(ledger.outstanding(140), (Bytes{{1, 100}}));
  EXPECT_EQ(ledger.outstanding(100'000), (Bytes{{1, 100}}));
}

TEST(TrashLedger, does_not_tell_apart_what_is_due_in_a_far_future) {
  TrashLedger ledger(10, 0);
  const std::int64_t last = 10 * TrashLedger::kMostSpans;
  ledger.add(1000 * last, 1, 100, 0);
  EXPECT_EQ(ledger.outstanding(last), (Bytes{{1, 100}}));
  EXPECT_EQ(ledger.outstanding(last + 10), Bytes{});
}

TEST(SpaceHold, tells_the_largest_of_what_is_kept_and_new) {
  SpaceHold hold;
  EXPECT_EQ(hold.atLeast({{1, 5}}, at(0s)), (Bytes{{1, 5}}));
  hold.keep({{1, 10}, {2, 3}}, at(5s));
  hold.keep({{1, 7}, {3, 4}}, at(6s));
  EXPECT_EQ(hold.atLeast({{1, 5}, {2, 8}}, at(4s)), (Bytes{{1, 10}, {2, 8}, {3, 4}}));
  EXPECT_EQ(hold.atLeast({{1, 5}, {2, 1}}, at(5s)), (Bytes{{1, 7}, {2, 1}, {3, 4}}));
  EXPECT_EQ(hold.atLeast({{1, 5}}, at(6s)), (Bytes{{1, 5}}));
}
