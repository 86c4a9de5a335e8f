#include "tracker/core/applicants.h"

#include <gtest/gtest.h>

namespace vcfs::tracker {

namespace {

using namespace std::chrono_literals;

TimePoint at(Duration since) { return TimePoint{} + since; }

TEST(Applicants, a_refusal_is_news_once_for_each_process_and_reason) {
  Applicants applicants;
  EXPECT_TRUE(applicants.refused("s1", 1, "new", at(0s)));
  EXPECT_FALSE(applicants.refused("s1", 1, "new", at(1s)));
  EXPECT_TRUE(applicants.refused("s1", 1, "removed", at(2s)));
  EXPECT_TRUE(applicants.refused("s1", 2, "removed", at(3s)));
  EXPECT_EQ(applicants.refusal("s1", at(4s)), "removed");
  EXPECT_EQ(applicants.refusal("s2", at(4s)), std::nullopt);
}

TEST(Applicants, who_asks_no_more_is_forgotten) {
  Applicants applicants;
  applicants.refused("s1", 1, "new", at(0s));
  EXPECT_TRUE(applicants.refusal("s1", at(10s)));
  EXPECT_FALSE(applicants.refusal("s1", at(11s)));
  EXPECT_TRUE(applicants.refused("s1", 1, "new", at(11s))) << "it is back";
  applicants.arrived("s1");
  EXPECT_FALSE(applicants.refusal("s1", at(11s)));
}

TEST(Applicants, two_new_disks_of_one_name_are_told_apart) {
  Applicants applicants;
  applicants.admitted("s1", 1, at(0s));
  EXPECT_FALSE(applicants.expectsAnother("s1", 1, at(1s)));
  EXPECT_TRUE(applicants.expectsAnother("s1", 2, at(1s)));
  applicants.refused("s1", 2, "another one", at(1s));
  EXPECT_TRUE(applicants.expectsAnother("s1", 2, at(2s))) << "it asks again";
  EXPECT_FALSE(applicants.expectsAnother("s1", 2, at(11s))) << "it did not arrive";
}

TEST(Applicants, names_are_bounded) {
  Applicants applicants;
  for (int i = 0; i < 2000; ++i) applicants.refused("s" + std::to_string(i), 1, "no", at(1s));
  EXPECT_TRUE(applicants.refusal("s999", at(2s)));
  EXPECT_FALSE(applicants.refusal("s1999", at(2s)));
  applicants.refused("late", 1, "no", at(20s));
  EXPECT_TRUE(applicants.refusal("late", at(20s)));
}

}  // namespace

}  // namespace vcfs::tracker
