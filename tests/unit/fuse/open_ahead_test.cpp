#include "fuse/policy/open_ahead.h"

#include <gtest/gtest.h>

namespace vcfs::fuse {
namespace {

constexpr InodeId kDirectory = 7;

// Inodes 1000, 1001 … with cookies 10, 20 …
OpenAhead listing(int entries, std::size_t capacity = 65'536) {
  OpenAhead ahead(capacity);
  for (int i = 0; i < entries; ++i) {
    ahead.listed(kDirectory, static_cast<std::uint64_t>(i) * 10, 1000 + static_cast<InodeId>(i));
  }
  return ahead;
}

TEST(OpenAhead, one_file_is_asked_for_alone) {
  auto ahead = listing(100);
  EXPECT_FALSE(ahead.missed(1000));
}

TEST(OpenAhead, a_file_nobody_listed_is_asked_for_alone) {
  auto ahead = listing(100);
  EXPECT_FALSE(ahead.missed(5));
  EXPECT_FALSE(ahead.missed(6));
}

TEST(OpenAhead, files_in_order_are_asked_for_in_growing_numbers_that_begin_with_them) {
  auto ahead = listing(1000);
  EXPECT_FALSE(ahead.missed(1000));
  std::uint64_t at = 1;
  for (std::uint32_t count : {4u, 8u, 16u, 32u, 64u, 64u}) {
    auto range = ahead.missed(1000 + at);
    ASSERT_TRUE(range);
    EXPECT_EQ(range->directory, kDirectory);
    EXPECT_EQ(range->after, at * 10);
    EXPECT_EQ(range->count, count);
    at += count;
  }
}

TEST(OpenAhead, some_may_be_left_out) {
  auto ahead = listing(100);
  EXPECT_FALSE(ahead.missed(1000));
  EXPECT_TRUE(ahead.missed(1000 + 1 + OpenAhead::kSlack));
}

TEST(OpenAhead, files_in_no_order_are_asked_for_alone) {
  auto ahead = listing(1000);
  for (InodeId inode : {1900u, 1100u, 1500u, 1300u, 1299u, 1000u}) EXPECT_FALSE(ahead.missed(inode)) << inode;
}

TEST(OpenAhead, going_back_begins_anew) {
  auto ahead = listing(100);
  EXPECT_FALSE(ahead.missed(1010));
  EXPECT_TRUE(ahead.missed(1011));
  EXPECT_FALSE(ahead.missed(1000));
}

TEST(OpenAhead, directories_do_not_disturb_each_other) {
  auto ahead = listing(100);
  for (int i = 0; i < 100; ++i) ahead.listed(8, static_cast<std::uint64_t>(i), 5000 + static_cast<InodeId>(i));
  EXPECT_FALSE(ahead.missed(1000));
  EXPECT_FALSE(ahead.missed(5000));
  EXPECT_EQ(ahead.missed(1001)->directory, kDirectory);
  EXPECT_EQ(ahead.missed(5001)->directory, 8u);
}

TEST(OpenAhead, a_new_listing_counts_from_its_beginning) {
  auto ahead = listing(100);
  for (int i = 0; i < 100; ++i) {
    ahead.listed(kDirectory, static_cast<std::uint64_t>(i) * 10, 1000 + static_cast<InodeId>(i));
  }
  EXPECT_FALSE(ahead.missed(1000));
  EXPECT_TRUE(ahead.missed(1001));
}

TEST(OpenAhead, beyond_its_capacity_it_forgets) {
  auto ahead = listing(15, 10);  // the last 5 are remembered
  EXPECT_FALSE(ahead.missed(1000));
  EXPECT_FALSE(ahead.missed(1001));
  EXPECT_FALSE(ahead.missed(1012));
  EXPECT_TRUE(ahead.missed(1013));
}

}  // namespace
}  // namespace vcfs::fuse
