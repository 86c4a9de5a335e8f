#include "tracker/core/salvage.h"

#include <gtest/gtest.h>

namespace vcfs::tracker {
namespace {

constexpr auto in = ReplicaState::inSync;
constexpr auto syncing = ReplicaState::syncing;
constexpr auto stale = ReplicaState::stale;
constexpr StorageId kGone = 1;

ReplicaSet set(std::vector<std::pair<StorageId, ReplicaState>> replicas) {
  ReplicaSet result;
  for (auto [storage, state] : replicas) result.push_back(Replica{storage, state, {}});
  return result;
}

FileBefore closed(ReplicaSet replicas, std::uint64_t size = 1000) {
  return FileBefore{std::move(replicas), size, true};
}
FileBefore open(ReplicaSet replicas, std::uint64_t size = 1000) { return FileBefore{std::move(replicas), size, false}; }

Remains whole(std::uint64_t size, std::int64_t mtimeNs = 0) { return Remains{size, false, size, mtimeNs}; }
Remains gappy(std::uint64_t size, std::uint64_t allocated) { return Remains{size, true, allocated, 0}; }

TEST(Salvage, what_another_one_has_in_sync_is_not_given_up) {
  const Salvage found = judgeLoss(closed(set({{kGone, in}, {2, stale}, {3, in}})), kGone, {{2, whole(900)}});
  EXPECT_EQ(found.fate, Fate::elsewhere);
  EXPECT_TRUE(found.unseen.empty());
}

TEST(Salvage, the_copy_with_most_bytes_is_the_best) {
  const auto replicas = set({{kGone, in}, {2, stale}, {3, syncing}});
  const Salvage found = judgeLoss(closed(replicas), kGone, {{2, whole(700)}, {3, whole(900)}});
  EXPECT_EQ(found.fate, Fate::kept);
  EXPECT_EQ(found.source, 3u);
  EXPECT_EQ(found.size, 900u);
  EXPECT_FALSE(found.gaps);
}

TEST(Salvage, of_a_copy_with_gaps_counts_what_its_disk_has_given_it) {
  const auto replicas = set({{kGone, in}, {2, stale}, {3, syncing}});
  const auto judge = [&](Remains has) { return judgeLoss(closed(replicas), kGone, {{2, whole(700)}, {3, has}}); };
  EXPECT_EQ(judge(gappy(1000, 512)).source, 2u) << "it had just begun";
  EXPECT_EQ(judge(gappy(700, 4096)).source, 2u) << "as many bytes, and no gap for sure";
  const Salvage found = judge(gappy(1000, 4096));
  EXPECT_EQ(found.source, 3u);
  EXPECT_EQ(found.size, 1000u);
  EXPECT_TRUE(found.gaps) << "which is told";
  const Salvage only = judgeLoss(closed(replicas), kGone, {{2, {}}, {3, gappy(1000, 0)}});
  EXPECT_EQ(only.source, 3u) << "some filesystems tell late what they have given";
}

TEST(Salvage, of_two_as_good_the_one_that_was_changed_later) {
  const auto file = closed(set({{kGone, in}, {2, stale}, {3, stale}}));
  EXPECT_EQ(judgeLoss(file, kGone, {{2, whole(700, 3)}, {3, whole(700, 4)}}).source, 3u);
  EXPECT_EQ(judgeLoss(file, kGone, {{2, whole(700, 4)}, {3, whole(700, 3)}}).source, 2u);
}

TEST(Salvage, nothing_behind_the_end_that_the_catalog_knows_counts) {
  const auto replicas = set({{kGone, in}, {2, stale}, {3, stale}});
  // The longer one is of before the file was cut and written anew.
  const Salvage found = judgeLoss(closed(replicas, 500), kGone, {{2, whole(900, 2)}, {3, whole(500, 4)}});
  EXPECT_EQ(found.source, 3u);
  EXPECT_EQ(found.size, 500u);
  // Of an open file the catalog knows the size of some seconds ago.
  EXPECT_EQ(judgeLoss(open(replicas, 500), kGone, {{2, whole(900, 2)}, {3, whole(500, 4)}}).size, 900u);
}

TEST(Salvage, without_another_copy_it_is_lost) {
  EXPECT_EQ(judgeLoss(closed(set({{kGone, in}})), kGone, {}).fate, Fate::lost);
  EXPECT_EQ(judgeLoss(open(set({{kGone, in}}), 0), kGone, {}).fate, Fate::lost);
}

TEST(Salvage, a_copy_without_a_byte_is_none) {
  const Salvage found = judgeLoss(closed(set({{kGone, in}, {2, syncing}})), kGone, {{2, whole(0)}});
  EXPECT_EQ(found.fate, Fate::lost);
  EXPECT_EQ(found.source, 0u);
}

TEST(Salvage, those_that_could_be_asked_decide_if_nobody_waits_for_the_others) {
  const auto replicas = set({{kGone, in}, {2, stale}, {3, stale}});
  const Salvage kept = judgeLoss(closed(replicas), kGone, {{2, whole(700)}}, true);
  EXPECT_EQ(kept.fate, Fate::kept);
  EXPECT_EQ(kept.source, 2u);
  EXPECT_EQ(kept.size, 700u);
  EXPECT_EQ(judgeLoss(closed(replicas), kGone, {}, true).fate, Fate::lost);
}

// Whoever is made the only one in sync decides for all: what a server has that is away now would be given up for it.
TEST(Salvage, nothing_is_given_up_before_every_server_was_asked) {
  const auto replicas = set({{kGone, in}, {2, stale}, {3, stale}});
  const Salvage waits = judgeLoss(closed(replicas), kGone, {{2, whole(0)}});
  EXPECT_EQ(waits.fate, Fate::waits);
  EXPECT_EQ(waits.unseen, std::vector<StorageId>{3});
  const Salvage half = judgeLoss(closed(replicas), kGone, {{2, whole(10)}});
  EXPECT_EQ(half.fate, Fate::waits) << "the other one may have more";
  EXPECT_EQ(half.unseen, std::vector<StorageId>{3});
  EXPECT_EQ(half.source, 0u);
  EXPECT_EQ(half.size, 0u);
}

TEST(Salvage, an_empty_file_loses_nothing) {
  const Salvage alone = judgeLoss(closed(set({{kGone, in}}), 0), kGone, {});
  EXPECT_EQ(alone.fate, Fate::kept);
  EXPECT_EQ(alone.source, 0u);
  const Salvage stood = judgeLoss(closed(set({{kGone, in}, {2, stale}}), 0), kGone, {{2, whole(700)}});
  EXPECT_EQ(stood.fate, Fate::kept);
  EXPECT_EQ(stood.source, 2u) << "which is to be cut";
  EXPECT_EQ(stood.size, 0u);
}

TEST(Salvage, only_the_one_that_is_kept_is_in_sync) {
  std::vector<StorageId> dropped;
  const ReplicaSet next = afterLoss(set({{kGone, in}, {2, syncing}, {3, stale}, {4, stale}}), kGone, 3, dropped);
  EXPECT_EQ(countInSync(next), 1u);
  EXPECT_EQ(next.front().storage, 3u);
  EXPECT_EQ(next.size(), 3u);
  for (const Replica& replica : next) EXPECT_NE(replica.storage, kGone);
  for (std::size_t i = 1; i < next.size(); ++i) EXPECT_EQ(next[i].state, stale) << "it may have more, and differ";
  EXPECT_TRUE(dropped.empty());
}

TEST(Salvage, of_a_lost_file_nobody_has_anything) {
  std::vector<StorageId> dropped;
  EXPECT_TRUE(afterLoss(set({{kGone, in}, {2, syncing}}), kGone, 0, dropped).empty());
  EXPECT_EQ(dropped, std::vector<StorageId>{2}) << "they are told, and keep what they have";
}

}  // namespace
}  // namespace vcfs::tracker
