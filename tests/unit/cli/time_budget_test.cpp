#include "cli/core/time_budget.h"

#include <gtest/gtest.h>

namespace vcfs::cli {
namespace {

using namespace std::chrono_literals;

TEST(TimeBudget, is_for_all_goes_together) {
  TimeBudget budget(10s);
  const TimePoint now{};
  budget.begin(now);
  EXPECT_FALSE(budget.spent(now + 9s));
  EXPECT_TRUE(budget.spent(now + 10s));
  budget.end(now + 6s);
  EXPECT_FALSE(budget.spent());
  const TimePoint later = now + Duration(1h);
  budget.begin(later);
  EXPECT_FALSE(budget.spent(later + 3s));
  EXPECT_TRUE(budget.spent(later + 4s));
  budget.end(later + 5s);
  EXPECT_TRUE(budget.spent());
}

}  // namespace
}  // namespace vcfs::cli
