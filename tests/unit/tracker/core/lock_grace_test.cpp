#include "tracker/core/lock_grace.h"

#include <gtest/gtest.h>

using namespace vcfs;
using namespace vcfs::tracker;
using namespace std::chrono_literals;

namespace {

constexpr Duration kLease = 10s;

// A tracker that started at 0 s and ran on without an incident.
class LockGraceTest : public ::testing::Test {
 protected:
  // Hosts are heard of, or silent.
  void runTo(Duration end, bool heard) {
    for (; now_ < end; now_ += 250ms) {
      grace_.tick(at(now_), wall());
      if (heard) grace_.heard(at(now_));
    }
  }
  bool forgivesAt(Duration when) const { return grace_.forgives(at(when)); }
  static TimePoint at(Duration d) { return TimePoint{} + d; }
  std::int64_t wall() const { return (now_ + wallAhead_).count(); }

  Duration now_{};
  Duration wallAhead_ = 1000h;
  LockGrace grace_{kLease, at(0s), wallAhead_.count()};
};

}  // namespace

TEST_F(LockGraceTest, leases_end_when_all_is_well) {
  EXPECT_TRUE(forgivesAt(9999ms)) << "it has just started";
  runTo(60s, true);
  EXPECT_FALSE(forgivesAt(10s));
  EXPECT_FALSE(forgivesAt(60s));
}

TEST_F(LockGraceTest, who_lives_has_a_lease_to_renew_in_after_this_process_stood_still) {
  runTo(60s, true);
  now_ += 12s;
  grace_.tick(at(now_), wall());
  EXPECT_TRUE(forgivesAt(now_ + kLease - 1ms));
  EXPECT_FALSE(forgivesAt(now_ + kLease));
}

TEST_F(LockGraceTest, and_after_the_clock_was_set_or_ran_on_without_this_machine) {
  runTo(60s, true);
  wallAhead_ += 12s;
  grace_.tick(at(now_), wall());
  EXPECT_TRUE(forgivesAt(now_));
  runTo(80s, true);
  ASSERT_FALSE(forgivesAt(now_));
  wallAhead_ -= 12s;
  grace_.tick(at(now_), wall());
  EXPECT_TRUE(forgivesAt(now_));
}

TEST_F(LockGraceTest, and_after_no_host_was_heard_of) {
  runTo(60s, true);
  runTo(72s, false);
  EXPECT_FALSE(forgivesAt(now_)) << "nobody asks";
  grace_.heard(at(now_));
  EXPECT_TRUE(forgivesAt(now_ + kLease - 1ms));
  EXPECT_FALSE(forgivesAt(now_ + kLease));
}

TEST_F(LockGraceTest, a_host_that_is_heard_of_late_changes_nothing) {
  runTo(60s, true);
  runTo(63s, false);
  grace_.heard(at(now_ - 250ms));
  EXPECT_FALSE(forgivesAt(now_));
}
