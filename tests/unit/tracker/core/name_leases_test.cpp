#include "tracker/core/name_leases.h"

#include <gtest/gtest.h>

namespace vcfs::tracker {
namespace {

using Sessions = std::vector<NameLeases::SessionId>;

struct NameLeasesTest : testing::Test {
  NameLeases leases{NameLeases::Limits{3, 5}};
};

TEST_F(NameLeasesTest, who_makes_a_name_keeps_his_own_and_the_others_are_recalled_once) {
  EXPECT_TRUE(leases.grant(1, 10));
  EXPECT_TRUE(leases.grant(1, 11));
  EXPECT_EQ(leases.recall(1, 10), (Sessions{11}));
  EXPECT_EQ(leases.recall(1, 10), Sessions{});
  EXPECT_EQ(leases.recall(1, 11), (Sessions{10}));
  EXPECT_EQ(leases.size(), 0u);
}

TEST_F(NameLeasesTest, nobody_gets_one_while_another_makes_a_name) {
  leases.begin(1, 10);
  leases.begin(1, 10);
  EXPECT_TRUE(leases.grant(1, 10));
  EXPECT_FALSE(leases.grant(1, 11));
  leases.end(1, 10);
  EXPECT_FALSE(leases.grant(1, 11));
  leases.end(1, 10);
  EXPECT_TRUE(leases.grant(1, 11));
}

TEST_F(NameLeasesTest, a_session_that_ends_has_none) {
  leases.grant(1, 10);
  leases.grant(2, 10);
  leases.drop(10);
  EXPECT_EQ(leases.recall(1, 99), Sessions{});
  EXPECT_EQ(leases.size(), 0u);
}

TEST_F(NameLeasesTest, are_bounded) {
  for (InodeId directory = 1; directory <= 3; ++directory) EXPECT_TRUE(leases.grant(directory, 10));
  EXPECT_FALSE(leases.grant(4, 10));
  EXPECT_TRUE(leases.grant(3, 10)) << "it has that one";
  EXPECT_TRUE(leases.grant(1, 11));
  EXPECT_TRUE(leases.grant(2, 11));
  EXPECT_FALSE(leases.grant(3, 11)) << "five in all";
}

TEST_F(NameLeasesTest, who_has_too_many_gives_the_oldest_back) {
  for (InodeId directory = 1; directory <= 3; ++directory) leases.grant(directory, 10);
  leases.grant(1, 10);
  const auto oldest = leases.toGiveBack(4, 10);
  ASSERT_TRUE(oldest);
  EXPECT_EQ(oldest->directory, 2u);
  EXPECT_EQ(leases.recall(2, 99), (Sessions{10})) << "it counts until it has been given back";
  EXPECT_TRUE(leases.grant(4, 10));
  EXPECT_FALSE(leases.toGiveBack(4, 11)) << "it has none";
}

TEST_F(NameLeasesTest, what_was_granted_anew_meanwhile_is_not_given_back) {
  for (InodeId directory = 1; directory <= 3; ++directory) leases.grant(directory, 10);
  const auto oldest = leases.toGiveBack(4, 10);
  ASSERT_TRUE(oldest);
  leases.grant(oldest->directory, 10);
  leases.givenBack(10, *oldest);
  EXPECT_FALSE(leases.grant(4, 10));
  EXPECT_EQ(leases.recall(oldest->directory, 99), (Sessions{10}));
}

TEST_F(NameLeasesTest, what_was_given_back_makes_room) {
  for (InodeId directory = 1; directory <= 3; ++directory) leases.grant(directory, 10);
  leases.givenBack(10, *leases.toGiveBack(4, 10));
  EXPECT_TRUE(leases.grant(4, 10));
  EXPECT_EQ(leases.size(), 3u);
  leases.begin(5, 11);
  EXPECT_FALSE(leases.toGiveBack(5, 10)) << "it would get none there";
}

}  // namespace
}  // namespace vcfs::tracker
