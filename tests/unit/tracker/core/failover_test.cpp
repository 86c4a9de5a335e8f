#include "tracker/core/failover.h"

#include <gtest/gtest.h>

using namespace vcfs;
using namespace vcfs::tracker;

namespace {

constexpr auto S = ReplicaState::inSync;
constexpr auto Y = ReplicaState::syncing;
constexpr auto X = ReplicaState::stale;

ReplicaSet set(std::vector<std::pair<StorageId, ReplicaState>> items) {
  ReplicaSet replicas;
  for (auto [id, state] : items) replicas.push_back(Replica{id, state, {}});
  return replicas;
}

std::string show(const std::optional<ReplicaSet>& replicas) {
  if (!replicas) return "unchanged";
  std::string text;
  for (const Replica& r : *replicas) {
    text += std::to_string(r.storage) + (r.state == S ? "+" : r.state == Y ? "~" : "-") + " ";
  }
  return text;
}

PlacementView alive(std::vector<StorageId> ids) {
  PlacementView view;
  for (StorageId id : ids) {
    Server server;
    server.id = id;
    server.group = "g1";
    server.zone = "z" + std::to_string(id);
    server.alive = true;
    server.freeBytes = 1u << 30;
    view.servers.push_back(server);
  }
  return view;
}

FileNeeds copies(std::uint32_t n) {
  FileNeeds needs;
  needs.group = "g1";
  needs.copies = n;
  return needs;
}

}  // namespace

TEST(Failover, a_lost_follower_becomes_stale_and_a_new_replica_is_added) {
  EXPECT_EQ(show(loseReplica(set({{1, S}, {2, S}}), 2, alive({1, 3}), copies(2))), "1+ 2- 3~ ");
}

TEST(Failover, without_another_server_the_file_goes_on_degraded) {
  EXPECT_EQ(show(loseReplica(set({{1, S}, {2, S}}), 2, alive({1}), copies(2))), "1+ 2- ");
}

TEST(Failover, a_lost_primary_is_replaced_by_the_survivor) {
  const auto next = loseReplica(set({{1, S}, {2, S}}), 1, alive({2}), copies(2));
  EXPECT_EQ(show(next), "2+ 1- ");
  EXPECT_EQ(primaryOf(*next)->storage, 2u);
}

TEST(Failover, when_the_primary_is_lost_the_other_survivors_are_made_equal) {
  EXPECT_EQ(show(loseReplica(set({{1, S}, {2, S}, {3, S}}), 1, alive({2, 3}), copies(3))), "2+ 1- 3~ ");
}

TEST(Failover, a_server_is_missed_where_another_one_of_the_file_is_heard) {
  const ReplicaSet both = set({{1, S}, {2, S}});
  EXPECT_TRUE(isMissed(both, 1, alive({2})));
  EXPECT_FALSE(isMissed(both, 1, alive({1, 2})));
  EXPECT_FALSE(isMissed(both, 1, alive({}))) << "it is this tracker that hears nobody";
  EXPECT_FALSE(isMissed(set({{1, S}, {2, X}}), 1, alive({2})));
}

TEST(Failover, a_server_is_not_missed_before_it_could_register_with_a_tracker_that_was_started) {
  PlacementView view = alive({1, 2});
  view.servers[0].alive = false;
  EXPECT_TRUE(isMissed(set({{1, S}, {2, S}}), 1, view));
  view.settling.insert("g1");
  EXPECT_FALSE(isMissed(set({{1, S}, {2, S}}), 1, view));
}

TEST(Failover, prefers_a_live_server_as_the_new_primary) {
  EXPECT_EQ(show(loseReplica(set({{1, S}, {2, S}, {3, S}}), 1, alive({3}), copies(3))), "3+ 1- 2~ ");
}

TEST(Failover, prefers_one_that_answers_to_one_that_is_being_checked) {
  PlacementView view = alive({2, 3});
  view.servers[0].checking = true;
  EXPECT_EQ(show(loseReplica(set({{1, S}, {2, S}, {3, S}}), 1, view, copies(3))).substr(0, 2), "3+");
}

TEST(Failover, never_gives_up_the_last_replica_in_sync) {
  EXPECT_EQ(show(loseReplica(set({{1, S}, {2, X}}), 1, alive({2, 3}), copies(2))), "unchanged");
  EXPECT_EQ(show(loseReplica(set({{1, S}, {2, Y}}), 1, alive({2, 3}), copies(2))), "unchanged");
}

TEST(Failover, a_repeated_report_changes_nothing) {
  EXPECT_EQ(show(loseReplica(set({{1, S}, {2, X}}), 2, alive({1, 3}), copies(2))), "unchanged");
  EXPECT_EQ(show(loseReplica(set({{1, S}, {2, S}}), 9, alive({1, 3}), copies(2))), "unchanged");
}

TEST(Failover, a_restarted_server_that_reports_itself_is_caught_up_not_replaced) {
  EXPECT_EQ(show(loseReplica(set({{1, S}, {2, S}}), 1, alive({1, 2, 3}), copies(2), true)), "2+ 1~ ");
}

// It does not know any more that it has to wait for those that are being caught up.
TEST(Failover, the_last_one_in_sync_that_reports_itself_has_the_others_begin_anew) {
  EXPECT_EQ(show(loseReplica(set({{1, S}, {2, Y}, {3, X}}), 1, alive({1, 2, 3}), copies(2), true)), "1+ 2- 3- ");
  EXPECT_EQ(show(loseReplica(set({{1, S}, {2, X}}), 1, alive({1, 2}), copies(2), true)), "unchanged");
}

TEST(Heirs, are_asked_where_several_may_follow) {
  using Ids = std::vector<StorageId>;
  EXPECT_EQ(heirs(set({{1, S}, {2, S}, {3, S}}), 1), (Ids{2, 3}));
  EXPECT_EQ(heirs(set({{1, S}, {2, S}, {3, S}}), 2), Ids()) << "the primary stays";
  EXPECT_EQ(heirs(set({{1, S}, {2, S}, {3, Y}}), 1), Ids()) << "there is one";
}

namespace {
std::string follow(Standings standings, std::vector<StorageId> living) {
  auto needs = copies(3);
  needs.standings = std::move(standings);
  return show(loseReplica(set({{1, S}, {2, S}, {3, S}}), 1, alive(std::move(living)), needs));
}
}  // namespace

TEST(Heirs, one_that_has_everything_comes_before_one_that_is_believed_to_be_there) {
  EXPECT_EQ(follow({{3, Standing::good}}, {2, 3}), "3+ 1- 2~ ");
  EXPECT_EQ(follow({{2, Standing::doubtful}, {3, Standing::good}}, {2, 3}), "3+ 1- 2~ ");
  EXPECT_EQ(follow({{2, Standing::good}, {3, Standing::good}}, {2, 3}), "2+ 1- 3~ ");
}

TEST(Heirs, who_is_silent_is_waited_for_while_it_may_be_there) {
  EXPECT_EQ(follow({}, {2, 3}), "unchanged");
  EXPECT_EQ(follow({}, {}), "unchanged");
  EXPECT_EQ(follow({{2, Standing::doubtful}}, {2, 3}), "unchanged");
  EXPECT_EQ(follow({{2, Standing::doubtful}}, {2}), "2+ 1- 3~ ");
}

TEST(Heirs, of_those_that_were_restarted_one_that_kept_its_power_follows) {
  EXPECT_EQ(follow({{2, Standing::doubtful}, {3, Standing::restarted}}, {2, 3}), "3+ 1- 2~ ");
}

TEST(Failover, a_lost_syncing_replica_makes_room_for_another) {
  EXPECT_EQ(show(loseReplica(set({{1, S}, {2, Y}}), 2, alive({1, 3}), copies(2))), "1+ 2- 3~ ");
}

TEST(Failover, a_server_that_still_has_to_delete_an_old_replica_gets_no_new_one) {
  auto needs = copies(2);
  needs.barred = {3};
  EXPECT_EQ(show(loseReplica(set({{1, S}, {2, S}}), 2, alive({1, 3}), needs)), "1+ 2- ");
}

TEST(CatchUp, a_replica_with_everything_is_in_sync_and_surplus_ones_go) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(show(catchUpReplica(set({{1, S}, {2, X}, {3, Y}}), 3, copies(2), dropped)), "1+ 3+ ");
  EXPECT_EQ(dropped, std::vector<StorageId>{2});
}

TEST(CatchUp, keeps_stale_ones_while_copies_are_missing) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(show(catchUpReplica(set({{1, S}, {2, X}, {3, Y}}), 3, copies(3), dropped)), "1+ 2- 3+ ");
  EXPECT_TRUE(dropped.empty());
}

TEST(CatchUp, of_a_replica_that_is_not_syncing_is_ignored) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(show(catchUpReplica(set({{1, S}, {2, X}}), 2, copies(2), dropped)), "unchanged");
}

TEST(Return, a_needed_replica_is_caught_up) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(show(returnReplica(set({{1, S}, {2, X}}), 2, copies(2), dropped)), "1+ 2~ ");
}

TEST(Return, a_superfluous_replica_is_dropped) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(show(returnReplica(set({{1, S}, {2, X}, {3, S}}), 2, copies(2), dropped)), "1+ 3+ ");
  EXPECT_EQ(dropped, std::vector<StorageId>{2});
}

TEST(Return, a_replica_stays_in_reserve_while_its_successor_is_syncing) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(show(returnReplica(set({{1, S}, {2, X}, {3, Y}}), 2, copies(2), dropped)), "unchanged");
}

TEST(Complete, prefers_a_stale_replica_that_is_back_to_a_new_one) {
  EXPECT_EQ(show(completeReplicas(set({{1, S}, {2, X}}), alive({1, 2, 3}), copies(2))), "1+ 2~ ");
}

TEST(Complete, replaces_a_syncing_replica_whose_server_is_away) {
  EXPECT_EQ(show(completeReplicas(set({{1, S}, {2, Y}}), alive({1, 3}), copies(2))), "1+ 2- 3~ ");
}

TEST(Complete, does_nothing_while_enough_are_on_their_way) {
  EXPECT_EQ(show(completeReplicas(set({{1, S}, {2, Y}}), alive({1, 2, 3}), copies(2))), "unchanged");
}

namespace {

PlacementView leaving(PlacementView view, std::vector<StorageId> ids) {
  for (Server& server : view.servers) server.leaving = std::count(ids.begin(), ids.end(), server.id) > 0;
  return view;
}

FileNeeds copiesWithout(std::uint32_t n, std::vector<StorageId> leaving) {
  FileNeeds needs = copies(n);
  needs.leaving = std::move(leaving);
  return needs;
}

// Server 1 is being emptied; all of `ids` live.
std::string vacate(const ReplicaSet& replicas, bool sealed, std::vector<StorageId> ids, std::uint32_t n,
                   std::vector<StorageId>* gone = nullptr) {
  std::vector<StorageId> dropped;
  const auto next = vacateReplica(replicas, 1, sealed, leaving(alive(ids), {1}), copiesWithout(n, {1}), dropped);
  if (gone) *gone = dropped;
  return show(next);
}

}  // namespace

TEST(Vacate, first_a_replica_is_added_elsewhere) {
  EXPECT_EQ(vacate(set({{1, S}, {2, S}}), true, {1, 2, 3}, 2), "1+ 2+ 3~ ");
  EXPECT_EQ(vacate(set({{1, S}, {2, S}}), false, {1, 2, 3}, 2), "1+ 2+ 3~ ");
}

TEST(Vacate, nothing_happens_while_the_new_replica_is_on_its_way) {
  EXPECT_EQ(vacate(set({{1, S}, {2, S}, {3, Y}}), true, {1, 2, 3}, 2), "unchanged");
}

TEST(Vacate, nothing_happens_when_there_is_no_other_server) {
  EXPECT_EQ(vacate(set({{1, S}, {2, S}}), true, {1, 2}, 2), "unchanged");
}

// Its copying was given up when the server that is being emptied was restarted.
TEST(Vacate, a_stale_replica_is_preferred_to_a_new_one) {
  EXPECT_EQ(vacate(set({{1, S}, {2, X}}), true, {1, 2, 3}, 1), "1+ 2~ ");
  EXPECT_EQ(vacate(set({{1, S}, {2, X}}), true, {1, 2}, 1), "1+ 2~ ");
  EXPECT_EQ(vacate(set({{1, S}, {2, S}, {3, X}}), false, {1, 2, 3, 4}, 2), "1+ 2+ 3~ ");
  EXPECT_EQ(vacate(set({{1, S}, {2, X}, {3, X}}), true, {1, 2, 3, 4}, 1), "1+ 2~ 3- ");
}

TEST(Vacate, a_disk_that_refused_the_copy_is_not_asked_again_and_again) {
  PlacementView view = leaving(alive({1, 2, 3, 4}), {1});
  view.minFreeBytes = 1u << 20;
  view.servers[2].freeBytes = 0;
  const FileNeeds needs = copiesWithout(2, {1});
  std::vector<StorageId> dropped;
  const ReplicaSet full = set({{1, S}, {2, S}, {3, X}});
  EXPECT_EQ(show(vacateReplica(full, 1, false, view, needs, dropped)), "1+ 2+ 3- 4~ ");
  const ReplicaSet failing = set({{1, S}, {2, S}, {3, Y}});
  EXPECT_EQ(show(loseReplica(failing, 3, view, needs)), "1+ 2+ 3- 4~ ");
}

TEST(Vacate, what_lies_on_a_server_that_is_being_emptied_makes_nothing_superfluous) {
  std::vector<StorageId> dropped;
  const FileNeeds needs = copiesWithout(2, {1});
  EXPECT_EQ(show(returnReplica(set({{1, S}, {2, S}, {3, X}}), 3, needs, dropped)), "unchanged");
  EXPECT_EQ(show(returnReplica(set({{1, S}, {2, S}, {3, X}, {4, Y}}), 3, needs, dropped)), "unchanged");
  EXPECT_EQ(show(catchUpReplica(set({{1, S}, {2, Y}, {3, Y}}), 2, needs, dropped)), "1+ 2+ 3~ ");
  EXPECT_TRUE(dropped.empty());
}

TEST(Vacate, then_a_sealed_file_is_dropped_there) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(vacate(set({{1, S}, {2, S}, {3, S}}), true, {1, 2, 3}, 2, &dropped), "2+ 3+ ");
  EXPECT_EQ(dropped, std::vector<StorageId>{1});
}

TEST(Vacate, a_follower_of_a_running_recording_is_dropped_too) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(vacate(set({{2, S}, {1, S}, {3, S}}), false, {1, 2, 3}, 2, &dropped), "2+ 3+ ");
  EXPECT_EQ(dropped, std::vector<StorageId>{1});
}

TEST(Vacate, the_primary_of_a_running_recording_is_not_dropped_unasked) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(vacate(set({{1, S}, {2, S}, {3, S}}), false, {1, 2, 3}, 2, &dropped), "unchanged");
  EXPECT_TRUE(dropped.empty());
}

namespace {

// Server 1 is being emptied and says that `equal` have what it has; all of `ids` live.
std::string handedOver(const ReplicaSet& replicas, std::vector<StorageId> equal, std::vector<StorageId> ids,
                       std::uint32_t n, std::vector<StorageId>* gone = nullptr) {
  std::vector<StorageId> dropped;
  const ReplicaSet next = handOver(replicas, equal, leaving(alive(ids), {1}), copiesWithout(n, {1}), dropped);
  if (gone) *gone = dropped;
  return show(next);
}

bool may(const ReplicaSet& replicas, std::vector<StorageId> ids, std::uint32_t n) {
  return mayHandOver(replicas, leaving(alive(ids), {1}), copiesWithout(n, {1}));
}

}  // namespace

TEST(HandOver, the_others_stay_in_sync) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(handedOver(set({{1, S}, {2, S}, {3, S}}), {2, 3}, {1, 2, 3}, 2, &dropped), "2+ 3+ ");
  EXPECT_EQ(dropped, std::vector<StorageId>{1});
  EXPECT_EQ(handedOver(set({{1, S}, {2, S}}), {2}, {1, 2}, 1), "2+ ");
}

TEST(HandOver, what_the_primary_has_lost_is_not_relied_on) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(handedOver(set({{1, S}, {2, S}, {3, S}}), {3}, {1, 2, 3}, 2, &dropped), "1+ 2~ 3+ ");
  EXPECT_TRUE(dropped.empty());
  EXPECT_EQ(handedOver(set({{1, S}, {2, S}, {3, S}, {4, S}}), {3, 4}, {1, 2, 3, 4}, 2, &dropped), "3+ 4+ ");
  EXPECT_EQ(dropped, (std::vector<StorageId>{1, 2}));
}

TEST(HandOver, a_server_that_is_away_does_not_become_the_primary) {
  EXPECT_EQ(handedOver(set({{1, S}, {2, S}, {3, S}}), {2, 3}, {1, 3}, 1), "3+ 2+ ");
}

TEST(HandOver, only_when_enough_others_are_in_sync_and_there) {
  EXPECT_TRUE(may(set({{1, S}, {2, S}, {3, S}}), {1, 2, 3}, 2));
  EXPECT_FALSE(may(set({{1, S}, {2, S}, {3, Y}}), {1, 2, 3}, 2));
  EXPECT_FALSE(may(set({{1, S}, {2, S}, {3, S}}), {1, 2}, 2));
}

TEST(Vacate, a_replica_on_a_server_that_is_away_does_not_count) {
  EXPECT_EQ(vacate(set({{1, S}, {2, S}, {4, S}}), true, {1, 2, 3}, 2), "1+ 2+ 4+ 3~ ");
}

TEST(Vacate, a_stale_replica_there_is_dropped_when_there_are_enough_others) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(vacate(set({{2, S}, {1, X}, {3, S}}), true, {1, 2, 3}, 2, &dropped), "2+ 3+ ");
  EXPECT_EQ(vacate(set({{2, S}, {1, X}, {3, Y}}), true, {1, 2, 3}, 2), "unchanged");
}

TEST(Vacate, a_file_that_is_degraded_is_completed_elsewhere_and_there_only_in_need) {
  EXPECT_EQ(show(completeReplicas(set({{2, S}, {1, X}}), leaving(alive({1, 2, 3}), {1}), copiesWithout(2, {1}))),
            "2+ 1- 3~ ");
  EXPECT_EQ(show(completeReplicas(set({{2, S}, {1, X}}), leaving(alive({1, 2}), {1}), copiesWithout(2, {1}))),
            "2+ 1~ ");
}

TEST(Vacate, when_it_was_called_off_the_replica_that_was_on_its_way_is_dropped) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(show(catchUpReplica(set({{1, S}, {2, S}, {3, Y}}), 3, copies(2), dropped)), "1+ 2+ ");
  EXPECT_EQ(dropped, std::vector<StorageId>{3});
}

TEST(Reserve, a_stale_replica_is_dropped_when_enough_others_are_in_sync) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(show(dropReserve(set({{1, S}, {3, X}, {2, S}}), alive({1, 2, 3}), copies(2), dropped)), "1+ 2+ ");
  EXPECT_EQ(dropped, std::vector<StorageId>{3});
}

TEST(Reserve, what_may_be_needed_is_kept) {
  std::vector<StorageId> dropped;
  auto drop = [&](const ReplicaSet& replicas, const PlacementView& view, const FileNeeds& needs) {
    return show(dropReserve(replicas, view, needs, dropped));
  };
  EXPECT_EQ(drop(set({{1, S}, {3, X}}), alive({1, 3}), copies(2)), "unchanged");
  EXPECT_EQ(drop(set({{1, S}, {2, Y}, {3, X}}), alive({1, 2, 3}), copies(2)), "unchanged") << "2 is not there yet";
  EXPECT_EQ(drop(set({{1, S}, {2, S}, {3, X}}), alive({1, 3}), copies(2)), "unchanged") << "2 is away";
  EXPECT_EQ(drop(set({{1, S}, {2, S}, {3, X}}), leaving(alive({1, 2, 3}), {1}), copiesWithout(2, {1})), "unchanged")
      << "1 is being emptied";
  EXPECT_EQ(drop(set({{3, X}}), alive({3}), copies(0)), "unchanged") << "there is no other";
  EXPECT_TRUE(dropped.empty());
}

TEST(Reserve, one_that_is_on_its_way_is_left_alone) {
  std::vector<StorageId> dropped;
  EXPECT_EQ(show(dropReserve(set({{1, S}, {2, S}, {3, Y}}), alive({1, 2, 3}), copies(2), dropped)), "unchanged");
  EXPECT_TRUE(dropped.empty());
}

TEST(Replace, a_server_that_is_gone_is_replaced) {
  EXPECT_EQ(show(replaceReplica(set({{1, S}, {2, S}}), 2, alive({1, 3}), copies(2))), "1+ 2- 3~ ");
  EXPECT_EQ(show(replaceReplica(set({{1, S}, {2, S}}), 1, alive({2, 3}), copies(2))), "2+ 1- 3~ ");
}

TEST(Replace, what_cannot_be_made_elsewhere_is_not_given_up) {
  EXPECT_EQ(show(replaceReplica(set({{1, S}, {2, S}}), 2, alive({1}), copies(2))), "unchanged");
  EXPECT_EQ(show(replaceReplica(set({{1, S}}), 1, alive({2, 3}), copies(2))), "unchanged");
}

TEST(Replace, what_is_in_sync_only_on_servers_that_are_away_too_is_not_given_up) {
  EXPECT_EQ(show(replaceReplica(set({{1, S}, {2, S}}), 2, alive({3}), copies(2))), "unchanged");
}

TEST(Replace, a_surplus_replica_is_just_given_up) {
  EXPECT_EQ(show(replaceReplica(set({{1, S}, {2, S}, {3, S}}), 3, alive({1, 2}), copies(2))), "1+ 2+ 3- ");
}
