#include "tracker/core/placement.h"

#include <gtest/gtest.h>

using namespace vcfs;
using namespace vcfs::tracker;

namespace {

Server server(StorageId id, const std::string& zone, std::uint64_t freeGib = 100, std::uint64_t load = 0) {
  Server s;
  s.id = id;
  s.group = "g1";
  s.zone = zone;
  s.alive = true;
  s.capacityBytes = std::uint64_t{200} << 30;
  s.freeBytes = freeGib << 30;
  s.load = load;
  return s;
}

PlacementRequest want(std::uint32_t copies, std::uint64_t seed = 1) {
  PlacementRequest request;
  request.group = "g1";
  request.copies = copies;
  request.seed = seed;
  return request;
}

PlacementView viewOf(std::vector<Server> servers) {
  PlacementView view;
  view.servers = std::move(servers);
  view.minFreeBytes = std::uint64_t{1} << 30;
  return view;
}

}  // namespace

TEST(Placement, never_puts_two_copies_in_one_zone_when_there_are_others) {
  const auto view = viewOf({server(1, "a"), server(2, "a"), server(3, "b", 2, 500u << 20)});
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto chosen = place(view, want(2, seed));
    ASSERT_EQ(chosen.size(), 2u);
    EXPECT_TRUE(chosen[0] == 3 || chosen[1] == 3) << "seed " << seed;
  }
}

TEST(Placement, uses_one_zone_twice_when_there_is_no_other) {
  const auto chosen = place(viewOf({server(1, "a"), server(2, "a")}), want(2));
  EXPECT_EQ(chosen.size(), 2u);
  EXPECT_NE(chosen[0], chosen[1]);
}

TEST(Placement, takes_the_least_loaded) {
  const auto view = viewOf({server(1, "a", 100, 400u << 20), server(2, "b", 100, 1), server(3, "c", 100, 2)});
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    for (StorageId id : place(view, want(2, seed))) EXPECT_NE(id, 1u);
  }
}

TEST(Placement, takes_one_that_is_being_checked_only_when_all_are) {
  auto view = viewOf({server(1, "a", 100, 1), server(2, "b", 100, 400u << 20), server(3, "c", 100, 400u << 20)});
  view.servers[0].checking = true;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    for (StorageId id : place(view, want(3, seed)))
      EXPECT_NE(id, 1u) << "fewer copies rather than one that answers later";
  }
  for (Server& one : view.servers) one.checking = true;
  EXPECT_EQ(place(view, want(2)).size(), 2u);
}

TEST(Placement, spreads_equals_by_their_free_space) {
  const auto view = viewOf({server(1, "a", 10), server(2, "b", 30)});
  int second = 0;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) second += place(view, want(1, seed))[0] == 2 ? 1 : 0;
  EXPECT_NEAR(second / 4000.0, 0.75, 0.04);
}

TEST(Placement, avoids_the_dead_the_full_and_other_groups) {
  auto dead = server(1, "a");
  dead.alive = false;
  auto full = server(2, "b", 0);
  auto foreign = server(3, "c");
  foreign.group = "g2";
  EXPECT_EQ(place(viewOf({dead, full, foreign, server(4, "d")}), want(3)), std::vector<StorageId>{4});
}

TEST(Placement, of_a_further_copy_looks_at_the_zones_of_the_present_ones) {
  auto request = want(1);
  request.exclude = {1};
  request.beside = {1};
  EXPECT_EQ(place(viewOf({server(1, "a"), server(2, "a"), server(3, "b", 2)}), request), std::vector<StorageId>{3});
}

TEST(Placement, gives_a_new_user_the_group_with_most_free_space) {
  auto other = server(2, "b", 150);
  other.group = "g2";
  EXPECT_EQ(groupForNewUser(viewOf({server(1, "a"), other}), {{"g1", 1}, {"g2", 1}}), "g2");
  EXPECT_EQ(groupForNewUser(viewOf({server(1, "a"), server(3, "c"), other}), {{"g1", 1}, {"g2", 1}}), "g1");
}

// As long as its second server is not there, what would be recorded in a new group would have one copy.
TEST(Placement, gives_a_new_user_a_group_that_has_room_for_all_copies) {
  auto large = server(3, "c", 1000);
  large.group = "g2";
  const std::vector<Server> both{server(1, "a"), server(2, "b"), large};
  EXPECT_EQ(groupForNewUser(viewOf(both), {}), "g1");
  EXPECT_EQ(groupForNewUser(viewOf(both), {{"g1", 2}, {"g2", 1}}), "g2");
  EXPECT_EQ(groupForNewUser(viewOf(both), {{"g1", 3}, {"g2", 3}}), "g2") << "where none has, by the room";
  EXPECT_EQ(groupForNewUser(viewOf({large}), {}), "g2");
}

// It stays there for good.
TEST(Placement, gives_a_new_user_no_group_that_is_nearly_full_because_a_server_of_another_is_away) {
  auto other = server(3, "c", 5), another = server(4, "d", 5);
  other.group = another.group = "g2";
  auto away = server(1, "a");
  away.alive = false;
  EXPECT_EQ(groupForNewUser(viewOf({away, server(2, "b"), other, another}), {}), "g1") << "a server that restarts";
  EXPECT_EQ(groupForNewUser(viewOf({server(2, "b"), other, another}), {}), "g1") << "the second one is yet to come";
}
