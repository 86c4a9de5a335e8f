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

}  // namespace
}  // namespace vcfs::tracker
