#include <gtest/gtest.h>

#include "tracker/core/usable_space.h"

using namespace vcfs;
using namespace vcfs::tracker;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kGiB = 1u << 30;

TimePoint at(Duration d) { return TimePoint{} + d; }

class UsableSpaceTest : public ::testing::Test {
 protected:
  void server(StorageId id, std::uint64_t capacity, std::uint64_t free, const std::string& group = "g1") {
    StorageServer server;
    server.id = id;
    server.group = group;
    server.instance = 7;
    server.capacityBytes = capacity;
    server.freeBytes = free;
    map_.registered(server, at(1s));
  }
  UsableSpace space() { return usableSpace(map_, rules_, at(2s)); }

  static ClusterMap::Options options() {
    ClusterMap::Options options;
    options.minFreeBytes = kGiB;
    return options;
  }
  ClusterMap map_{options(), at(0s)};
  SpaceRules rules_;
};

}  // namespace

TEST(BytesOfFiles, is_what_fits_when_the_copies_lie_on_different_servers) {
  EXPECT_EQ(bytesOfFiles({}, 2), 0u);
  EXPECT_EQ(bytesOfFiles({100}, 2), 100u) << "fewer servers than copies";
  EXPECT_EQ(bytesOfFiles({100, 60}, 1), 160u);
  EXPECT_EQ(bytesOfFiles({100, 60}, 2), 60u) << "not half of both";
  EXPECT_EQ(bytesOfFiles({100, 60, 60}, 2), 110u);
  EXPECT_EQ(bytesOfFiles({60, 200, 60}, 2), 120u) << "all copies but one are on the small ones";
  EXPECT_EQ(bytesOfFiles({100, 100, 10, 10}, 3), 20u);
  EXPECT_EQ(bytesOfFiles({100, 100, 50, 50}, 3), 100u);
  EXPECT_EQ(bytesOfFiles({7, 7}, 0), 14u) << "no copies at all is not possible";
}

TEST_F(UsableSpaceTest, leaves_out_what_new_files_are_not_given) {
  server(1, 100 * kGiB, 50 * kGiB);
  server(2, 100 * kGiB, 40 * kGiB);
  EXPECT_EQ(space().totalBytes, 100 * kGiB);
  EXPECT_EQ(space().freeBytes, 39 * kGiB);
  server(2, 100 * kGiB, kGiB / 2);
  EXPECT_EQ(space().freeBytes, 0u);
}

TEST_F(UsableSpaceTest, counts_the_trash_as_room_up_to_the_size_of_the_disk) {
  server(1, 100 * kGiB, 50 * kGiB);
  server(2, 100 * kGiB, 40 * kGiB);
  rules_.trash = {{1, 5 * kGiB}, {2, 5 * kGiB}};
  EXPECT_EQ(space().freeBytes, 44 * kGiB);
  rules_.trash = {{1, 500 * kGiB}, {2, 500 * kGiB}};
  EXPECT_EQ(space().freeBytes, 99 * kGiB);
}

TEST_F(UsableSpaceTest, adds_groups_or_takes_one) {
  server(1, 100 * kGiB, 50 * kGiB);
  server(2, 100 * kGiB, 50 * kGiB);
  server(3, 10 * kGiB, 8 * kGiB, "g2");
  server(4, 10 * kGiB, 8 * kGiB, "g2");
  rules_.copies = {{"g2", 1}};
  EXPECT_EQ(space().totalBytes, 120 * kGiB);
  EXPECT_EQ(space().freeBytes, 49 * kGiB + 14 * kGiB);
  rules_.onlyGroup = "g2";
  EXPECT_EQ(space().totalBytes, 20 * kGiB);
  EXPECT_EQ(space().freeBytes, 14 * kGiB);
}

TEST_F(UsableSpaceTest, the_room_of_one_server_is_room_while_the_other_is_away) {
  server(1, 100 * kGiB, 50 * kGiB);
  server(2, 100 * kGiB, 40 * kGiB);
  StorageServer away = *map_.find(2);
  ASSERT_TRUE(map_.disconnected(2, away.session, at(1s)));
  EXPECT_EQ(space().totalBytes, 100 * kGiB);
  EXPECT_EQ(space().freeBytes, 49 * kGiB) << "files get one copy now, and the other one later";
}

TEST_F(UsableSpaceTest, servers_that_are_being_emptied_or_are_not_known_yet_are_none) {
  server(1, 100 * kGiB, 50 * kGiB);
  server(2, 100 * kGiB, 40 * kGiB);
  StorageServer known;
  known.id = 3;
  known.group = "g1";
  map_.load(known);
  EXPECT_EQ(space().totalBytes, 100 * kGiB);
  server(4, 500 * kGiB, 500 * kGiB);
  EXPECT_EQ(space().freeBytes, 49 * kGiB + 39 * kGiB);
  known.id = 4;
  known.draining = true;
  map_.load(known);
  EXPECT_EQ(space().freeBytes, 39 * kGiB);
}
