#include "client/src/core/read_plan.h"

#include <gtest/gtest.h>

namespace vcfs::client {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kRoom = 64 * kMiB;

std::uint64_t endOf(const std::vector<ReadPlan::Range>& ranges) {
  return ranges.empty() ? 0 : ranges.back().offset + ranges.back().length;
}

TEST(ReadPlan, small_random_reads_do_not_read_ahead) {
  ReadPlan plan(4 * kMiB, kMiB);
  for (std::uint64_t offset : {40 * kMiB, 3 * kMiB, 77 * kMiB, 5000ul, 12 * kMiB}) {
    EXPECT_TRUE(plan.onRead(offset, 4096, 100 * kMiB, kRoom).empty());
  }
}

TEST(ReadPlan, the_second_read_in_a_row_starts_reading_ahead) {
  ReadPlan plan(4 * kMiB, kMiB);
  EXPECT_TRUE(plan.onRead(10 * kMiB, 65536, 100 * kMiB, kRoom).empty());
  const auto ranges = plan.onRead(10 * kMiB + 65536, 65536, 100 * kMiB, kRoom);
  ASSERT_FALSE(ranges.empty());
  EXPECT_EQ(ranges.front().offset, 10 * kMiB + 65536);
}

TEST(ReadPlan, a_large_first_read_at_the_start_of_a_file_counts_as_sequential) {
  ReadPlan plan(4 * kMiB, kMiB);
  EXPECT_FALSE(plan.onRead(0, 128 << 10, 100 * kMiB, kRoom).empty());
  ReadPlan small(4 * kMiB, kMiB);
  EXPECT_TRUE(small.onRead(0, 4096, 100 * kMiB, kRoom).empty());
}

TEST(ReadPlan, everything_is_requested_once_and_without_gaps) {
  ReadPlan plan(4 * kMiB, kMiB);
  std::uint64_t next = 0;
  for (std::uint64_t at = 0; at < 50 * kMiB; at += 128 << 10) {
    for (const auto& range : plan.onRead(at, 128 << 10, 50 * kMiB, kRoom)) {
      EXPECT_EQ(range.offset, next);
      EXPECT_LE(range.length, kMiB);
      next = range.offset + range.length;
    }
    EXPECT_GE(next, at + (128 << 10)) << "what is read now is among what was requested";
    EXPECT_LE(next, at + (128 << 10) + 5 * kMiB) << "not farther ahead than the limit";
  }
  EXPECT_EQ(next, 50 * kMiB);
}

TEST(ReadPlan, nothing_is_requested_beyond_the_known_size) {
  ReadPlan plan(4 * kMiB, kMiB);
  EXPECT_EQ(endOf(plan.onRead(0, 128 << 10, 300'000, kRoom)), 300'000u);
}

TEST(ReadPlan, a_jump_ends_reading_ahead) {
  ReadPlan plan(4 * kMiB, kMiB);
  plan.onRead(0, 128 << 10, 100 * kMiB, kRoom);
  EXPECT_TRUE(plan.onRead(50 * kMiB, 128 << 10, 100 * kMiB, kRoom).empty());
  EXPECT_FALSE(plan.sequential());
}

TEST(ReadPlan, requests_that_overtake_each_other_a_little_stay_sequential) {
  ReadPlan plan(4 * kMiB, kMiB);
  plan.onRead(0, 128 << 10, 100 * kMiB, kRoom);
  plan.onRead(256 << 10, 128 << 10, 100 * kMiB, kRoom);
  plan.onRead(128 << 10, 128 << 10, 100 * kMiB, kRoom);
  EXPECT_TRUE(plan.sequential());
}

TEST(ReadPlan, without_room_nothing_is_requested_and_later_it_goes_on) {
  ReadPlan plan(4 * kMiB, kMiB);
  EXPECT_TRUE(plan.onRead(0, 128 << 10, 100 * kMiB, 0).empty());
  const auto ranges = plan.onRead(128 << 10, 128 << 10, 100 * kMiB, kMiB);
  ASSERT_EQ(ranges.size(), 1u);
  EXPECT_EQ(ranges.front().offset, 128u << 10);
}

TEST(ReadPlan, limit_zero_means_no_reading_ahead) {
  ReadPlan plan(0, kMiB);
  for (std::uint64_t at = 0; at < 4 * kMiB; at += kMiB) EXPECT_TRUE(plan.onRead(at, kMiB, 100 * kMiB, kRoom).empty());
}

TEST(ReadPlan, far_ahead_only_whole_chunks_are_requested) {
  ReadPlan plan(4 * kMiB, kMiB);
  plan.onRead(0, 128 << 10, 100 * kMiB, kRoom);
  for (std::uint64_t at = 128 << 10; at < 20 * kMiB; at += 128 << 10) {
    for (const auto& range : plan.onRead(at, 128 << 10, 100 * kMiB, kRoom)) EXPECT_GE(range.length, kMiB / 2);
  }
}

}  // namespace
}  // namespace vcfs::client
