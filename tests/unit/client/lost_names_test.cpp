#include "client/src/core/lost_names.h"

#include <gtest/gtest.h>

namespace vcfs::client {

namespace {

using namespace std::chrono_literals;
TimePoint at(Duration time) { return TimePoint{} + time; }

}  // namespace

TEST(LostNames, are_remembered_for_a_minute) {
  LostNames names;
  names.told(5, at(10s));
  names.told(6, at(20s));
  EXPECT_TRUE(names.has(5, at(69s)));
  EXPECT_FALSE(names.has(5, at(70s)));
  EXPECT_TRUE(names.has(6, at(70s)));
  EXPECT_FALSE(names.has(7, at(70s)));
}

TEST(LostNames, of_too_many_the_oldest_are_forgotten) {
  LostNames names;
  names.told(1, at(1s));
  for (InodeId inode = 2; inode <= LostNames::kMost; ++inode) {
    names.told(inode, at(2s));
    names.told(inode, at(2s));  // by another tracker as well
  }
  EXPECT_TRUE(names.has(1, at(3s)));
  names.told(1'000'000, at(3s));
  EXPECT_FALSE(names.has(1, at(3s)));
  EXPECT_TRUE(names.has(2, at(3s)));
  EXPECT_TRUE(names.has(1'000'000, at(3s)));
}

}  // namespace vcfs::client
