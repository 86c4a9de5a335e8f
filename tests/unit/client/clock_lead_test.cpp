#include "client/src/core/clock_lead.h"

#include <gtest/gtest.h>

namespace vcfs::client {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{1'000'000'000'000};

TEST(ClockLead, is_the_most_that_was_seen) {
  ClockLead lead;
  EXPECT_EQ(lead.ns(kNow), 0);
  lead.seen(200, kNow);
  lead.seen(300, kNow);
  lead.seen(100, kNow);
  EXPECT_EQ(lead.ns(kNow), 300);
}

TEST(ClockLead, of_a_clock_that_is_wrong_is_bounded) {
  ClockLead lead;
  lead.seen(3'600'000'000'000, kNow);
  EXPECT_EQ(lead.ns(kNow), ClockLead::kMostNs);
}

TEST(ClockLead, is_forgotten_when_it_is_not_seen_any_more) {
  ClockLead lead;
  lead.seen(300, kNow);
  EXPECT_EQ(lead.ns(kNow + 9min), 300);
  EXPECT_EQ(lead.ns(kNow + 11min), 0);
  lead.seen(100, kNow + 11min);
  EXPECT_EQ(lead.ns(kNow + 11min), 100);
}

}  // namespace
}  // namespace vcfs::client
