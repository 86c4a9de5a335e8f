#include "fuse/policy/kept_listings.h"

#include <gtest/gtest.h>

namespace vcfs::fuse {
namespace {

using namespace std::chrono_literals;

constexpr InodeId kDirectory = 7;
constexpr TimePoint kNow{1'000'000'000};

KeptListings listed(std::int64_t ctimeNs) {
  KeptListings kept;
  kept.began(kDirectory, ctimeNs, kNow + 30s);
  return kept;
}

TEST(KeptListings, an_unlisted_directory_is_not_kept) {
  KeptListings kept;
  EXPECT_FALSE(kept.worthAsking(kDirectory, kNow));
  EXPECT_FALSE(kept.holds(kDirectory, 0));
}

TEST(KeptListings, holds_while_the_directory_is_as_it_was) {
  auto kept = listed(100);
  EXPECT_TRUE(kept.worthAsking(kDirectory, kNow + 29s));
  EXPECT_TRUE(kept.holds(kDirectory, 100));
  EXPECT_FALSE(kept.holds(kDirectory, 101));
}

TEST(KeptListings, ends_with_the_time_that_names_are_believed) {
  EXPECT_FALSE(listed(100).worthAsking(kDirectory, kNow + 30s));
}

TEST(KeptListings, of_an_unknown_time_is_not_kept_but_the_next_may_be) {
  auto kept = listed(100);
  kept.began(kDirectory, 0, kNow + 30s);
  EXPECT_TRUE(kept.worthAsking(kDirectory, kNow));
  EXPECT_FALSE(kept.holds(kDirectory, 100));
  EXPECT_FALSE(kept.holds(kDirectory, 0));
}

TEST(KeptListings, is_forgotten_when_the_kernel_lost_the_names) {
  auto kept = listed(100);
  for (std::uint32_t i = 0; i < KeptListings::kLostNames; ++i) kept.askedFor(kDirectory);
  EXPECT_TRUE(kept.worthAsking(kDirectory, kNow));
  kept.askedFor(kDirectory);
  EXPECT_FALSE(kept.worthAsking(kDirectory, kNow));
}

TEST(KeptListings, remembers_a_bounded_number) {
  KeptListings kept(2);
  for (InodeId id : {1, 2, 2, 3}) kept.began(id, 100, kNow + 30s);
  EXPECT_FALSE(kept.worthAsking(1, kNow));
  EXPECT_TRUE(kept.worthAsking(3, kNow));
}

}  // namespace
}  // namespace vcfs::fuse
