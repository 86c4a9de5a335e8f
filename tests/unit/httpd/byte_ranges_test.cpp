#include "httpd/core/byte_ranges.h"

#include <gtest/gtest.h>

#include <random>

namespace vcfs::httpd {
namespace {

using Kind = RangePlan::Kind;

void expectRanges(std::string_view header, std::uint64_t size, std::vector<ByteRange> expected) {
  RangePlan plan = planRanges(header, size);
  EXPECT_EQ(plan.kind, Kind::partial) << header;
  EXPECT_EQ(plan.ranges, expected) << header;
}

TEST(ByteRanges, single_open_ended_and_suffix) {
  expectRanges("bytes=0-499", 10000, {{0, 500}});
  expectRanges("bytes=9500-", 10000, {{9500, 500}});
  expectRanges("bytes=-500", 10000, {{9500, 500}});
  expectRanges("bytes=0-0", 1, {{0, 1}});
  expectRanges("Bytes = 0-1", 10, {{0, 2}});
}

TEST(ByteRanges, an_end_beyond_the_file_is_cut) {
  expectRanges("bytes=10-99999999999999999999999999", 100, {{10, 90}});
  expectRanges("bytes=-99999999999999999999999999", 100, {{0, 100}});
}

TEST(ByteRanges, distant_ranges_stay_in_the_clients_order) {
  expectRanges("bytes=5000-5099,0-99", 10000, {{5000, 100}, {0, 100}});
}

TEST(ByteRanges, overlapping_and_near_ranges_become_one) {
  expectRanges("bytes=0-99,50-149", 1000, {{0, 150}});
  expectRanges("bytes=0-99,110-119", 1000, {{0, 120}});
  expectRanges("bytes=500-,0-499", 1000, {{0, 1000}});
}

TEST(ByteRanges, what_lies_outside_is_left_out_if_another_is_inside) {
  expectRanges("bytes=5000-,0-9", 1000, {{0, 10}});
}

TEST(ByteRanges, nothing_inside_is_unsatisfiable) {
  for (const char* header : {"bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=99999999999999999999-"}) {
    EXPECT_EQ(planRanges(header, 1000).kind, Kind::unsatisfiable) << header;
  }
  EXPECT_EQ(planRanges("bytes=0-", 0).kind, Kind::unsatisfiable);
  EXPECT_EQ(planRanges("bytes=-5", 0).kind, Kind::unsatisfiable);
}

TEST(ByteRanges, malformed_is_refused) {
  for (const char* header : {"bytes=", "bytes=,", "bytes=abc", "bytes=1", "bytes=5-2", "bytes=--1", "bytes=1-2-3",
                             "bytes=0x1-2", "bytes=1 -2", "bytes=+1-2", "bytes=0-1,x"}) {
    EXPECT_EQ(planRanges(header, 1000).kind, Kind::unsatisfiable) << header;
  }
}

TEST(ByteRanges, other_units_and_none_are_ignored) {
  for (const char* header : {"", "items=0-5", "nonsense", "seconds=1-2"}) {
    EXPECT_EQ(planRanges(header, 1000).kind, Kind::whole) << header;
  }
}

TEST(ByteRanges, too_many_are_refused) {
  std::string header = "bytes=0-0";
  for (std::size_t i = 1; i < kMaxRanges; ++i)
    header += "," + std::to_string(i * 1000) + "-" + std::to_string(i * 1000);
  EXPECT_EQ(planRanges(header, 1'000'000).ranges.size(), kMaxRanges);
  EXPECT_EQ(planRanges(header + ",999999-", 1'000'000).kind, Kind::unsatisfiable);
}

TEST(ByteRanges, whatever_comes_the_plan_lies_within_the_file_and_never_sends_a_byte_twice) {
  std::mt19937_64 random(5);
  const std::string alphabet = "0123456789-,= bytes";
  for (int round = 0; round < 200'000; ++round) {
    std::uint64_t size = random() % 4 == 0 ? random() : random() % 3000;
    std::string header = "bytes=";
    int length = static_cast<int>(random() % 30);
    for (int i = 0; i < length; ++i) header += alphabet[random() % (random() % 5 == 0 ? alphabet.size() : 12)];
    RangePlan plan = planRanges(header, size);
    ASSERT_EQ(plan.kind == Kind::partial, !plan.ranges.empty()) << header;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> sorted;
    for (const ByteRange& range : plan.ranges) {
      ASSERT_GT(range.length, 0u) << header;
      ASSERT_LE(range.length, size) << header;
      ASSERT_LE(range.offset, size - range.length) << header;
      sorted.emplace_back(range.offset, range.offset + range.length);
    }
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 1; i < sorted.size(); ++i) ASSERT_LE(sorted[i - 1].second, sorted[i].first) << header;
  }
}

}  // namespace
}  // namespace vcfs::httpd
