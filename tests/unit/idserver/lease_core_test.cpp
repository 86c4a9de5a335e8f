#include "idserver/core/lease_core.h"

#include <gtest/gtest.h>

namespace vcfs::idserver {
namespace {

TEST(LeaseCore, has_nothing_before_a_range_was_added) {
  LeaseCore core(100);
  EXPECT_FALSE(core.take(1));
  EXPECT_EQ(core.refill(1), 100u);
}

TEST(LeaseCore, cuts_consecutive_leases_from_a_range) {
  LeaseCore core(100);
  core.add({1024, 100});
  EXPECT_EQ(core.take(10)->first, 1024u);
  EXPECT_EQ(core.take(20)->first, 1034u);
  EXPECT_EQ(core.left(), 70u);
}

TEST(LeaseCore, asks_for_more_when_half_a_block_is_used) {
  LeaseCore core(100);
  core.add({1024, 100});
  core.take(50);
  EXPECT_EQ(core.refill(1), 0u);
  core.take(1);
  EXPECT_EQ(core.refill(1), 100u);
}

TEST(LeaseCore, a_lease_larger_than_a_block_reserves_that_much) {
  LeaseCore core(100);
  EXPECT_EQ(core.refill(5000), 5000u);
}

TEST(LeaseCore, a_continuing_range_extends_the_present_one) {
  LeaseCore core(100);
  core.add({1024, 100});
  core.take(99);
  core.add({1124, 100});
  EXPECT_EQ(core.take(101)->first, 1123u);
}

TEST(LeaseCore, a_range_from_elsewhere_replaces_a_smaller_rest) {
  LeaseCore core(100);
  core.add({1024, 100});
  core.take(60);
  core.add({5000, 100});
  EXPECT_EQ(core.take(1)->first, 5000u);
}

TEST(LeaseCore, never_gives_less_than_asked) {
  LeaseCore core(100);
  core.add({1024, 100});
  EXPECT_FALSE(core.take(101));
  EXPECT_EQ(core.left(), 100u);
}

}  // namespace
}  // namespace vcfs::idserver
