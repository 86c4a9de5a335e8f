#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "storage/core/ack_tracker.h"
#include "storage/core/catch_up_plan.h"
#include "storage/core/crc32c.h"
#include "storage/core/lease_table.h"
#include "storage/core/range_set.h"
#include "storage/core/replica_fence.h"
#include "storage/core/sequence_table.h"

namespace vcfs::storage {
namespace {

using namespace std::chrono_literals;
using Ranges = std::vector<Range>;

TEST(RangeSet, joins_what_touches_or_overlaps) {
  RangeSet set;
  set.add(10, 20);
  set.add(30, 40);
  set.add(20, 30);
  EXPECT_EQ(set.ranges(), (Ranges{{10, 40}}));
  set.add(5, 50);
  EXPECT_EQ(set.ranges(), (Ranges{{5, 50}}));
}

TEST(RangeSet, gaps_are_what_is_not_covered) {
  RangeSet set;
  set.add(10, 20);
  set.add(30, 40);
  EXPECT_EQ(set.gaps(0, 50), (Ranges{{0, 10}, {20, 30}, {40, 50}}));
  EXPECT_EQ(set.gaps(12, 18), Ranges{});
  EXPECT_EQ(set.gaps(15, 35), (Ranges{{20, 30}}));
}

TEST(RangeSet, open_end_covers_everything_behind) {
  RangeSet set;
  set.add(100, RangeSet::kEnd);
  EXPECT_EQ(set.gaps(50, 1000), (Ranges{{50, 100}}));
}

TEST(RangeSet, one_that_is_full_grows_no_further) {
  RangeSet set(2);
  set.add(0, 10);
  EXPECT_FALSE(set.full());
  for (std::uint64_t at = 100; at < 1000; at += 100) set.add(at, at + 10);
  EXPECT_TRUE(set.full());
  EXPECT_EQ(set.ranges().size(), 2u);
  set.clear();
  EXPECT_FALSE(set.full());
}

TEST(RangeSet, agrees_with_a_set_of_bytes) {
  std::mt19937 random(1);
  RangeSet set;
  std::vector<bool> bytes(300);
  for (int i = 0; i < 200; ++i) {
    const unsigned begin = random() % 290;
    const unsigned end = begin + random() % 10;
    set.add(begin, end);
    for (unsigned at = begin; at < end; ++at) bytes[at] = true;
    for (unsigned at = 0; at < 300; ++at) ASSERT_EQ(set.contains(at), bytes[at]);
  }
}

TEST(SequenceTable, failed_call_may_be_repeated) {
  SequenceTable table;
  table.note(7, 1);
  table.note(7, 2);
  table.failed(7, 1);
  EXPECT_FALSE(table.executed(7, 1));
  EXPECT_TRUE(table.executed(7, 2));
  table.note(7, 1);
  EXPECT_TRUE(table.executed(7, 1));
  EXPECT_FALSE(table.executed(8, 1));
}

TEST(SequenceTable, call_behind_one_that_is_missing_has_to_wait) {
  SequenceTable table;
  EXPECT_TRUE(table.follows(7, 5, 5)) << "numbers begin anywhere";
  EXPECT_FALSE(table.follows(7, 5, 6));
  table.note(7, 5);
  EXPECT_TRUE(table.follows(7, 5, 6));
  EXPECT_FALSE(table.follows(7, 5, 7));
  EXPECT_TRUE(table.follows(7, 7, 7)) << "6 was given up";
  table.note(7, 6);
  table.failed(7, 5);
  EXPECT_TRUE(table.follows(7, 5, 7)) << "its client is told that it failed";
  table.withdrawn(7, 6);
  EXPECT_FALSE(table.follows(7, 5, 7)) << "6 is to be repeated";
  EXPECT_TRUE(table.follows(7, 5, 6));
  table.note(7, 6);
  EXPECT_TRUE(table.follows(7, 5, 7));
  EXPECT_TRUE(table.follows(7, 0, 100)) << "a client of an earlier version";
}

TEST(SequenceTable, another_replica_learns_all_of_it) {
  SequenceTable table;
  table.note(7, 3);
  table.failed(7, 2);
  table.note(8, 1);
  table.leave(8);
  SequenceTable other;
  other.note(9, 50);
  other.replace(table.records());
  EXPECT_TRUE(other.executed(7, 3));
  EXPECT_FALSE(other.executed(7, 2));
  EXPECT_FALSE(other.executed(9, 50));
  EXPECT_EQ(other.writers(), std::vector<ClientId>{7});
  other.note(8, 2);
  EXPECT_EQ(other.writers().size(), 2u) << "it is back";
}

TEST(AckTracker, publishes_in_order_only) {
  AckTracker acks;
  const auto one = acks.begin(10, {1, 2});
  const auto two = acks.begin(20, {1, 2});
  EXPECT_FALSE(acks.ack(two, 1));
  EXPECT_TRUE(acks.ack(two, 2));
  EXPECT_EQ(acks.published(), 0u);
  EXPECT_FALSE(acks.ack(one, 2));
  EXPECT_TRUE(acks.ack(one, 1));
  EXPECT_EQ(acks.published(), 20u);
  EXPECT_TRUE(acks.idle());
}

TEST(AckTracker, repeated_answer_counts_once) {
  AckTracker acks;
  const auto one = acks.begin(10, {1, 2});
  acks.ack(one, 1);
  EXPECT_FALSE(acks.ack(one, 1));
  EXPECT_EQ(acks.published(), 0u);
}

TEST(AckTracker, dropped_replica_is_not_waited_for) {
  AckTracker acks;
  const auto one = acks.begin(10, {1, 2});
  const auto two = acks.begin(20, {1, 2});
  acks.ack(one, 1);
  EXPECT_EQ(acks.drop(2), std::vector<AckTracker::Ticket>{one});
  EXPECT_EQ(acks.published(), 10u);
  EXPECT_TRUE(acks.ack(two, 1));
}

TEST(AckTracker, unfinished_truncate_lowers_what_readers_see) {
  AckTracker acks;
  acks.setPublished(100);
  const auto cut = acks.beginTruncate(30, {1});
  EXPECT_EQ(acks.published(), 30u);
  const auto more = acks.begin(40, {1});
  EXPECT_EQ(acks.orderedEnd(), 40u);
  acks.ack(cut, 1);
  acks.ack(more, 1);
  EXPECT_EQ(acks.published(), 40u);
}

TEST(AckTracker, failed_operation_publishes_nothing_and_blocks_nobody) {
  AckTracker acks;
  const auto one = acks.begin(10, {1});
  const auto two = acks.begin(5, {1});
  EXPECT_TRUE(acks.fail(one));
  acks.ack(two, 1);
  EXPECT_EQ(acks.published(), 5u);
  EXPECT_EQ(acks.orderedEnd(), 5u);
}

TEST(AckTracker, append_goes_behind_all_that_may_still_succeed) {
  AckTracker acks;
  const auto one = acks.begin(10, {1});
  acks.begin(5, {1});
  EXPECT_EQ(acks.orderedEnd(), 10u);
  EXPECT_TRUE(acks.fail(one));
  EXPECT_EQ(acks.orderedEnd(), 5u);
}

Layout layoutOf(Epoch epoch, std::vector<ReplicaState> states) {
  Layout layout;
  layout.inode = 9;
  layout.epoch = epoch;
  StorageId id = 1;
  for (ReplicaState state : states) layout.replicas.push_back(Replica{id++, state, "h:1"});
  return layout;
}

TEST(ReplicaFence, role_is_that_of_the_layout) {
  const Layout layout =
      layoutOf(1, {ReplicaState::stale, ReplicaState::inSync, ReplicaState::inSync, ReplicaState::syncing});
  EXPECT_EQ(roleOf(layout, 1), Role::stale);
  EXPECT_EQ(roleOf(layout, 2), Role::primary);
  EXPECT_EQ(roleOf(layout, 3), Role::follower);
  EXPECT_EQ(roleOf(layout, 4), Role::syncing);
  EXPECT_EQ(roleOf(layout, 5), Role::none);
}

TEST(ReplicaFence, older_epoch_is_always_refused) {
  ReplicaFence state(9);
  state.restoreEpoch(5);
  EXPECT_EQ(state.admit(4, true), ReplicaFence::Admission::stale);
  EXPECT_EQ(state.admit(5, false), ReplicaFence::Admission::needLayout);
  EXPECT_EQ(state.admit(6, false), ReplicaFence::Admission::needLayout);
  EXPECT_EQ(state.admit(6, true), ReplicaFence::Admission::adopt);
  EXPECT_FALSE(state.adopt(layoutOf(4, {ReplicaState::inSync}), 1));
  EXPECT_EQ(state.epoch(), 5u);
}

TEST(ReplicaFence, writes_of_the_same_primary_are_taken_after_its_next_epoch_was_learnt) {
  constexpr auto in = ReplicaState::inSync;
  ReplicaFence follower(9);
  follower.adopt(layoutOf(5, {in, in, ReplicaState::syncing}), 2);
  follower.adopt(layoutOf(6, {in, in, in}), 2);
  EXPECT_EQ(follower.admitReplication(5, false), ReplicaFence::Admission::ok);
  EXPECT_EQ(follower.admitReplication(5, true), ReplicaFence::Admission::ok);
  EXPECT_EQ(follower.admitReplication(4, true), ReplicaFence::Admission::stale);
  EXPECT_EQ(follower.admit(5, true), ReplicaFence::Admission::stale) << "clients are told the newer layout";
  follower.adopt(layoutOf(8, {in, in, in}), 2);
  EXPECT_EQ(follower.admitReplication(7, false), ReplicaFence::Admission::stale) << "who was primary in 7?";
}

TEST(ReplicaFence, replaced_primary_is_refused) {
  constexpr auto in = ReplicaState::inSync;
  ReplicaFence other(9);
  other.adopt(layoutOf(1, {in, in, in}), 3);
  other.adopt(layoutOf(2, {ReplicaState::stale, in, in}), 3);
  EXPECT_EQ(other.admitReplication(1, true), ReplicaFence::Admission::stale);
  ReplicaFence blind(9);
  blind.adopt(layoutOf(1, {in, in}), 2);
  blind.raise(2);
  blind.adopt(layoutOf(2, {in, in}), 2);
  EXPECT_EQ(blind.admitReplication(1, true), ReplicaFence::Admission::stale);
}

TEST(ReplicaFence, replica_that_begins_anew_takes_nothing_of_before) {
  constexpr auto in = ReplicaState::inSync;
  ReplicaFence joining(9);
  joining.adopt(layoutOf(1, {in, in}), 2);
  joining.adopt(layoutOf(2, {in, ReplicaState::syncing}), 2);
  EXPECT_EQ(joining.admitReplication(1, true), ReplicaFence::Admission::stale);
  joining.adopt(layoutOf(3, {in, in}), 2);
  EXPECT_EQ(joining.since(), 2u) << "being caught up breaks nothing";
}

TEST(ReplicaFence, deposed_primary_is_none_until_a_newer_epoch_says_so) {
  ReplicaFence state(9);
  state.adopt(layoutOf(1, {ReplicaState::inSync}), 1);
  EXPECT_TRUE(state.isPrimary());
  state.depose();
  EXPECT_FALSE(state.isPrimary());
  state.adopt(layoutOf(1, {ReplicaState::inSync}), 1);
  EXPECT_FALSE(state.isPrimary());
  state.adopt(layoutOf(2, {ReplicaState::inSync}), 1);
  EXPECT_TRUE(state.isPrimary());
}

TEST(LeaseTable, one_sign_of_life_renews_everything_a_client_has) {
  LeaseTable leases(10s);
  leases.open(7, 1, TimePoint{0});
  leases.open(7, 2, TimePoint{0});
  leases.renew(7, TimePoint{} + 8s);
  EXPECT_TRUE(leases.expire(TimePoint{} + 12s).empty());
  EXPECT_EQ(leases.expire(TimePoint{} + 19s).size(), 2u);
  EXPECT_EQ(leases.clients(), 0u);
}

TEST(LeaseTable, provisional_one_is_renewed_by_open_alone) {
  LeaseTable leases(10s);
  leases.open(7, 1, TimePoint{0});
  leases.openProvisionally(7, 2, TimePoint{} + 1s);
  leases.openProvisionally(7, 3, TimePoint{} + 1s);
  leases.openProvisionally(7, 1, TimePoint{} + 1s);
  EXPECT_EQ(leases.writers(2), 1u);
  leases.renew(7, TimePoint{} + 8s);
  leases.open(7, 3, TimePoint{} + 8s);
  const auto lapsed = leases.expire(TimePoint{} + 11s);
  ASSERT_EQ(lapsed.size(), 1u);
  EXPECT_EQ(lapsed[0].inode, 2u);
  EXPECT_TRUE(lapsed[0].last);
  EXPECT_TRUE(lapsed[0].provisional);
  EXPECT_EQ(leases.expire(TimePoint{} + 18s).size(), 2u);
  EXPECT_EQ(leases.clients(), 0u);
}

TEST(LeaseTable, provisional_one_outlives_the_silence_before_it) {
  LeaseTable leases(10s);
  leases.open(7, 1, TimePoint{0});
  leases.openProvisionally(7, 2, TimePoint{} + 9s);
  ASSERT_EQ(leases.expire(TimePoint{} + 10s).size(), 1u);
  EXPECT_TRUE(leases.holds(7, 2));
  EXPECT_EQ(leases.expire(TimePoint{} + 19s).size(), 1u);
  EXPECT_EQ(leases.clients(), 0u);
}

TEST(LeaseTable, last_one_is_told) {
  LeaseTable leases(10s);
  leases.open(7, 1, TimePoint{0});
  leases.open(8, 1, TimePoint{} + 5s);
  auto lapsed = leases.expire(TimePoint{} + 11s);
  ASSERT_EQ(lapsed.size(), 1u);
  EXPECT_FALSE(lapsed[0].last);
  lapsed = leases.expire(TimePoint{} + 16s);
  ASSERT_EQ(lapsed.size(), 1u);
  EXPECT_TRUE(lapsed[0].last);
}

TEST(CatchUpPlan, copies_what_differs_and_the_tail) {
  const std::vector<std::uint32_t> source{1, 2, 3, 4, 5};
  const std::vector<std::uint32_t> own{1, 9, 3};
  EXPECT_EQ(differing(0, 100, source, own, 450, 1000), (Ranges{{100, 200}, {300, 450}}));
  EXPECT_EQ(differing(0, 100, source, own, 450, 100), (Ranges{{100, 200}, {300, 400}, {400, 450}}));
}

TEST(CatchUpPlan, live_bytes_behind_the_sources_end_are_kept) {
  RangeSet live;
  EXPECT_EQ(cutTo(100, live, 0, 500), 100u);
  live.add(150, 180);
  EXPECT_EQ(cutTo(100, live, 180, 500), 180u);
  live.add(190, 300);  // a hole that was punched behind the end
  EXPECT_EQ(cutTo(100, live, 180, 500), 180u);
  live.add(120, RangeSet::kEnd);  // truncated to 120, then written up to 200
  EXPECT_EQ(cutTo(100, live, 200, 200), 200u);
  EXPECT_EQ(cutTo(300, live, 200, 120), 300u) << "the source was truncated after it told its size";
}

TEST(Crc32c, has_the_standard_value) {
  const char* text = "123456789";
  EXPECT_EQ(crc32c(std::as_bytes(std::span(text, 9))), 0xe3069283u);
}

}  // namespace
}  // namespace vcfs::storage
