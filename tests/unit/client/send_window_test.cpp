// The send window, one behaviour per test: what is gathered, when it is sent, what waits for what.
#include "client/src/core/send_window.h"

#include <gtest/gtest.h>

#include <cstring>

namespace vcfs::client {
namespace {

using std::chrono::milliseconds;
using Kind = SendWindow::Kind;

class SendWindowTest : public ::testing::Test {
 protected:
  static SendWindow::Limits limits() {
    SendWindow::Limits limits;
    limits.segment = 1000;
    limits.inFlight = 3000;
    limits.requests = 4;
    limits.maxLag = milliseconds(50);
    return limits;
  }
  void write(std::uint64_t offset, const std::string& text, bool append = false) {
    window.write(offset, std::as_bytes(std::span<const char>(text.data(), text.size())), nullptr, append, now);
  }
  static std::string textOf(const SendWindow::Item& item) {
    return std::string(reinterpret_cast<const char*>(item.data), item.length);
  }
  SendWindow window{limits(), 1};
  TimePoint now{1'000'000'000};
};

TEST_F(SendWindowTest, adjacent_small_writes_become_one_request) {
  write(0, "abc");
  write(3, "def");
  window.flush();
  const auto* item = window.next(now);
  ASSERT_NE(item, nullptr);
  EXPECT_EQ(textOf(*item), "abcdef");
  EXPECT_EQ(item->offset, 0u);
  EXPECT_EQ(item->sequence, 1u);
  EXPECT_EQ(window.next(now), nullptr);
}

TEST_F(SendWindowTest, rewriting_unsent_bytes_changes_them_in_place) {
  write(10, "abcdef");
  write(12, "XY");
  window.flush();
  EXPECT_EQ(textOf(*window.next(now)), "abXYef");
}

TEST_F(SendWindowTest, a_write_elsewhere_starts_a_segment_and_lets_the_one_before_go) {
  write(100, "abc");
  write(50, "xyz");
  const auto* first = window.next(now);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->offset, 100u);
  EXPECT_EQ(window.next(now), nullptr) << "the second may still grow";
}

TEST_F(SendWindowTest, a_write_before_a_segment_is_not_merged_into_it) {
  write(100, "abc");
  write(98, "xyz");
  window.flush();
  EXPECT_EQ(textOf(*window.next(now)), "abc");
  EXPECT_EQ(textOf(*window.next(now)), "xyz");
}

TEST_F(SendWindowTest, nothing_is_sent_before_max_lag) {
  write(0, "abc");
  EXPECT_EQ(window.next(now), nullptr);
  ASSERT_TRUE(window.due());
  EXPECT_EQ(*window.due(), now + milliseconds(50));
  EXPECT_EQ(window.next(now + milliseconds(49)), nullptr);
  EXPECT_NE(window.next(now + milliseconds(50)), nullptr);
}

TEST_F(SendWindowTest, the_oldest_item_under_way_tells_since_when_an_answer_is_waited_for) {
  write(0, "abc");
  EXPECT_FALSE(window.waitingSince()) << "nothing was sent";
  window.flush();
  window.next(now);
  write(100, "def");
  window.flush();
  window.next(now + milliseconds(10));
  EXPECT_EQ(window.waitingSince(), now);
  window.finish(1);
  EXPECT_EQ(window.waitingSince(), now + milliseconds(10));
  window.rewind();
  EXPECT_FALSE(window.waitingSince()) << "it has to be sent again";
  window.next(now + milliseconds(20));
  EXPECT_EQ(window.waitingSince(), now + milliseconds(20));
}

TEST_F(SendWindowTest, lag_counts_from_the_oldest_byte) {
  write(0, "abc");
  now = now + milliseconds(30);
  write(3, "def");
  EXPECT_NE(window.next(now + milliseconds(20)), nullptr);
}

TEST_F(SendWindowTest, a_full_segment_is_sent_at_once) {
  write(0, std::string(999, 'a'));
  EXPECT_EQ(window.next(now), nullptr);
  write(999, "b");
  EXPECT_NE(window.next(now), nullptr);
}

TEST_F(SendWindowTest, writes_never_make_a_segment_larger_than_its_limit) {
  write(0, std::string(900, 'a'));
  write(900, std::string(200, 'b'));
  window.flush();
  EXPECT_EQ(window.next(now)->length, 900u);
  EXPECT_EQ(window.next(now)->length, 200u);
}

TEST_F(SendWindowTest, sent_bytes_are_not_changed_by_a_later_write) {
  write(0, "abcdef");
  window.flush();
  const auto* sent = window.next(now);
  write(2, "XY");
  EXPECT_EQ(textOf(*sent), "abcdef");
  window.flush();
  EXPECT_EQ(textOf(*window.next(now)), "XY");
}

TEST_F(SendWindowTest, owned_bytes_are_referenced) {
  auto owner = std::make_shared<std::string>(600, 'q');
  window.write(0, std::as_bytes(std::span<const char>(owner->data(), owner->size())), owner, false, now);
  const auto* item = window.next(now);
  ASSERT_NE(item, nullptr) << "it cannot grow, so there is nothing to wait for";
  EXPECT_EQ(static_cast<const void*>(item->data), owner->data());
  window.finish(item->sequence);
  EXPECT_EQ(owner.use_count(), 1);
}

TEST_F(SendWindowTest, requests_in_flight_are_bounded_in_bytes) {
  for (int i = 0; i < 5; ++i) write(static_cast<std::uint64_t>(i) * 1000, std::string(1000, 'a'));
  EXPECT_NE(window.next(now), nullptr);
  EXPECT_NE(window.next(now), nullptr);
  EXPECT_NE(window.next(now), nullptr);
  EXPECT_EQ(window.next(now), nullptr);
  window.finish(2);
  EXPECT_EQ(window.next(now)->sequence, 4u);
}

TEST_F(SendWindowTest, requests_in_flight_are_bounded_in_number) {
  for (std::uint64_t i = 0; i < 6; ++i) write(i * 100, "a");
  window.flush();
  for (int i = 0; i < 4; ++i) EXPECT_NE(window.next(now), nullptr);
  EXPECT_EQ(window.next(now), nullptr);
}

TEST_F(SendWindowTest, acknowledgements_may_come_in_any_order) {
  for (std::uint64_t i = 0; i < 3; ++i) write(i * 100, "a");
  window.flush();
  while (window.next(now)) {
  }
  EXPECT_TRUE(window.finish(3));
  EXPECT_TRUE(window.finish(1));
  EXPECT_FALSE(window.finish(1)) << "answered before";
  EXPECT_FALSE(window.finishedUpTo(2));
  EXPECT_TRUE(window.finish(2));
  EXPECT_TRUE(window.empty());
  EXPECT_TRUE(window.finishedUpTo(3));
  EXPECT_EQ(window.charged(), 0u);
}

TEST_F(SendWindowTest, a_replay_repeats_what_is_not_acknowledged_in_order_with_its_sequences) {
  for (std::uint64_t i = 0; i < 3; ++i) write(i * 100, std::string(1, static_cast<char>('a' + i)));
  window.flush();
  while (window.next(now)) {
  }
  window.finish(2);
  window.rewind();
  const auto* first = window.next(now);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->sequence, 1u);
  EXPECT_EQ(textOf(*first), "a");
  const auto* second = window.next(now);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->sequence, 3u);
  EXPECT_EQ(textOf(*second), "c");
  EXPECT_EQ(window.next(now), nullptr);
}

TEST_F(SendWindowTest, after_a_replay_nothing_is_merged_into_what_was_sent) {
  write(0, "abc");
  window.flush();
  window.next(now);
  window.rewind();
  write(3, "def");
  EXPECT_EQ(textOf(*window.next(now)), "abc");
  EXPECT_EQ(window.next(now), nullptr);
}

TEST_F(SendWindowTest, a_truncate_waits_for_the_writes_before_it_and_holds_the_ones_behind_it) {
  write(0, "abc");
  const auto cut = window.truncate(1);
  write(10, "xyz");
  window.flush();
  EXPECT_EQ(window.next(now)->kind, Kind::write);
  EXPECT_EQ(window.next(now), nullptr);
  window.finish(1);
  const auto* truncate = window.next(now);
  ASSERT_NE(truncate, nullptr);
  EXPECT_EQ(truncate->kind, Kind::truncate);
  EXPECT_EQ(truncate->sequence, cut);
  EXPECT_EQ(window.next(now), nullptr);
  window.finish(cut);
  EXPECT_EQ(textOf(*window.next(now)), "xyz");
}

TEST_F(SendWindowTest, close_rides_on_the_only_unsent_write) {
  write(0, "abc");
  const auto closing = window.close();
  EXPECT_EQ(closing, 1u);
  const auto* item = window.next(now);
  ASSERT_NE(item, nullptr) << "there is nothing to wait for";
  EXPECT_EQ(item->kind, Kind::write);
  EXPECT_TRUE(item->closes);
  window.finish(1);
  EXPECT_TRUE(window.empty());
}

TEST_F(SendWindowTest, a_file_is_whole_and_unsent_until_anything_was_sent) {
  EXPECT_FALSE(window.wholeAndUnsent());
  write(0, "abc");
  EXPECT_TRUE(window.wholeAndUnsent());
  window.flush();
  ASSERT_NE(window.next(now), nullptr);
  EXPECT_FALSE(window.wholeAndUnsent());
  window.finish(1);
  EXPECT_FALSE(window.wholeAndUnsent());
  write(3, "def");
  EXPECT_FALSE(window.wholeAndUnsent()) << "a part of the file is at the servers";
}

TEST_F(SendWindowTest, sync_rides_on_the_only_unsent_write) {
  write(0, "abc");
  EXPECT_EQ(window.sync(), 1u);
  EXPECT_TRUE(window.next(now)->syncs);
}

TEST_F(SendWindowTest, close_is_a_request_of_its_own_while_something_is_under_way) {
  write(0, "abc");
  window.flush();
  window.next(now);
  EXPECT_EQ(window.close(), 2u);
  EXPECT_EQ(window.next(now), nullptr);
  window.finish(1);
  EXPECT_EQ(window.next(now)->kind, Kind::close);
}

TEST_F(SendWindowTest, close_does_not_change_a_request_that_was_sent_before_a_replay) {
  write(0, "abc");
  window.flush();
  window.next(now);
  window.rewind();
  EXPECT_EQ(window.close(), 2u) << "the servers may know sequence 1 as a plain write";
}

TEST_F(SendWindowTest, nothing_follows_a_closing_write_before_its_answer) {
  write(0, "abc");
  window.close();
  write(3, "def");
  window.flush();
  EXPECT_TRUE(window.next(now)->closes);
  EXPECT_EQ(window.next(now), nullptr);
  window.finish(1);
  EXPECT_EQ(textOf(*window.next(now)), "def");
}

TEST_F(SendWindowTest, a_close_of_an_untouched_file_is_sent) {
  EXPECT_EQ(window.close(), 1u);
  EXPECT_EQ(window.next(now)->kind, Kind::close);
}

TEST_F(SendWindowTest, appends_are_gathered_with_each_other_only) {
  write(0, "abc", true);
  write(0, "def", true);
  write(0, "xyz", false);
  window.flush();
  const auto* item = window.next(now);
  EXPECT_TRUE(item->append);
  EXPECT_EQ(textOf(*item), "abcdef");
  EXPECT_EQ(window.next(now), nullptr) << "where the append goes is not known yet";
  window.finish(item->sequence);
  EXPECT_FALSE(window.next(now)->append);
}

TEST_F(SendWindowTest, overlap_is_asked_for_unacknowledged_bytes_only) {
  write(100, std::string(50, 'a'));
  EXPECT_TRUE(window.overlaps(149, 10));
  EXPECT_TRUE(window.overlaps(0, 101));
  EXPECT_FALSE(window.overlaps(150, 10));
  EXPECT_FALSE(window.overlaps(0, 100));
  window.flush();
  window.next(now);
  window.finish(1);
  EXPECT_FALSE(window.overlaps(100, 50));
}

TEST_F(SendWindowTest, a_pending_append_overlaps_everything) {
  write(0, "abc", true);
  EXPECT_TRUE(window.overlaps(0, 1));
}

TEST_F(SendWindowTest, projected_size_follows_the_order_of_operations) {
  write(0, std::string(500, 'a'));
  EXPECT_EQ(window.projectedSize(100), 500u);
  window.truncate(20);
  EXPECT_EQ(window.projectedSize(100), 20u);
  write(0, std::string(30, 'b'), true);
  EXPECT_EQ(window.projectedSize(100), 50u);
  window.allocate(0, 200, 1);
  EXPECT_EQ(window.projectedSize(100), 50u) << "KEEP_SIZE";
  window.allocate(0, 200, 0);
  EXPECT_EQ(window.projectedSize(100), 200u);
}

TEST_F(SendWindowTest, memory_is_charged_by_what_is_held) {
  const auto cost = window.costOf(0, 10, false, false);
  write(0, std::string(10, 'a'));
  EXPECT_EQ(window.charged(), cost);
  EXPECT_GE(window.charged(), 4096u);
  EXPECT_EQ(window.costOf(10, 500, false, false), 0u) << "it fits into the buffer that is there";
  EXPECT_GT(window.costOf(5000, 10, false, false), 0u);
}

TEST_F(SendWindowTest, clearing_gives_all_memory_back_and_keeps_counting) {
  write(0, "abc");
  window.flush();
  window.next(now);
  window.clear();
  EXPECT_TRUE(window.empty());
  EXPECT_EQ(window.charged(), 0u);
  EXPECT_TRUE(window.finishedUpTo(1));
  EXPECT_FALSE(window.finish(1)) << "a late answer is of no interest";
  write(0, "x");
  EXPECT_EQ(window.last(), 2u);
}

TEST(SendWindowSizes, a_slow_stream_holds_small_buffers_and_a_fast_one_whole_segments) {
  SendWindow::Limits limits;
  SendWindow window(limits, 1);
  TimePoint now{0};
  std::vector<std::byte> piece(32 << 10);
  // 25 KiB per max lag.
  std::vector<std::byte> slow(25 << 10);
  for (int i = 0; i < 10; ++i) {
    window.write(static_cast<std::uint64_t>(i) * slow.size(), slow, nullptr, false, now);
    EXPECT_LE(window.charged(), (64u << 10) + 512);
    now = now + limits.maxLag;
    window.finish(window.next(now)->sequence);
  }
  // As fast as it goes.
  std::uint64_t at = 1 << 20;
  for (int i = 0; i < 100; ++i, at += piece.size()) {
    window.write(at, piece, nullptr, false, now);
    while (const auto* item = window.next(now)) window.finish(item->sequence);
  }
  EXPECT_EQ(window.costOf(1 << 30, 4096, false, false), (1u << 20) + 256) << "the next segment is made whole at once";
}

}  // namespace
}  // namespace vcfs::client
