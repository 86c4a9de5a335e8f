#include <gtest/gtest.h>

#include "common/base/error.h"
#include "tracker/core/cluster_map.h"
#include "tracker/core/id_pool.h"
#include "tracker/core/lease.h"
#include "tracker/core/names.h"
#include "tracker/core/posix_acl.h"

using namespace vcfs;
using namespace vcfs::tracker;
using namespace std::chrono_literals;

namespace {

Errc codeOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return Errc::ok;
}

TimePoint at(Duration d) { return TimePoint{} + d; }

StorageServer storage(StorageId id, std::uint64_t instance = 7) {
  StorageServer server;
  server.id = id;
  server.name = "s" + std::to_string(id);
  server.group = "g1";
  server.zone = "z" + std::to_string(id);
  server.address = "host:" + std::to_string(id);
  server.instance = instance;
  server.freeBytes = 1u << 30;
  return server;
}

}  // namespace

TEST(Names, limits) {
  EXPECT_EQ(codeOf([] { checkName(std::string(255, 'x')); }), Errc::ok);
  EXPECT_EQ(codeOf([] { checkName(std::string(256, 'x')); }), Errc::nameTooLong);
  EXPECT_EQ(codeOf([] { checkName(""); }), Errc::invalid);
  EXPECT_EQ(codeOf([] { checkName("."); }), Errc::invalid);
  EXPECT_EQ(codeOf([] { checkName(".."); }), Errc::invalid);
  EXPECT_EQ(codeOf([] { checkName("a/b"); }), Errc::invalid);
  EXPECT_EQ(codeOf([] { checkName(std::string("a\0b", 3)); }), Errc::invalid);
  EXPECT_EQ(codeOf([] { checkName("\xff\xfe any bytes"); }), Errc::ok);
  EXPECT_EQ(codeOf([] { checkLabel("group", "with blank"); }), Errc::invalid);
}

TEST(IdPool, asks_for_more_before_it_runs_dry) {
  IdPool pool({100, 40});
  EXPECT_TRUE(pool.wantsRefill());
  EXPECT_FALSE(pool.take());
  pool.add(1024, 100);
  for (int i = 0; i < 59; ++i) EXPECT_EQ(*pool.take(), 1024u + i);
  EXPECT_FALSE(pool.wantsRefill());
  pool.take();
  EXPECT_TRUE(pool.wantsRefill());
  pool.add(5000, 100);
  for (int i = 60; i < 100; ++i) pool.take();
  EXPECT_EQ(*pool.take(), 5000u);
}

TEST(ClusterMap, a_silent_server_is_unreachable_after_three_seconds) {
  ClusterMap map({}, at(0s));
  map.registered(storage(1), at(10s));
  EXPECT_TRUE(map.alive(1, at(13s)));
  EXPECT_FALSE(map.alive(1, at(13001ms)));
  EXPECT_TRUE(map.heartbeat(1, {}, at(14s)));
  EXPECT_TRUE(map.alive(1, at(16s)));
}

TEST(ClusterMap, a_disconnected_server_is_unreachable_at_once_but_not_its_successor) {
  ClusterMap map({}, at(0s));
  // The same process, after the network was cut: the old connection's end is noticed when the new one is there.
  StorageServer server = storage(1, 7);
  server.session = 70;
  map.registered(server, at(1s));
  server.session = 80;
  map.registered(server, at(2s));
  EXPECT_FALSE(map.disconnected(1, 70, at(2s)));
  EXPECT_TRUE(map.alive(1, at(2s)));
  EXPECT_TRUE(map.disconnected(1, 80, at(2s)));
  EXPECT_FALSE(map.alive(1, at(2s)));
  EXPECT_FALSE(map.heartbeat(1, {}, at(2s)));
}

TEST(ClusterMap, tells_which_servers_are_short_of_room) {
  ClusterMap map({}, at(0s));
  constexpr std::uint64_t kGiB = 1u << 30;
  for (StorageId id : {1, 2, 3}) map.registered(storage(id), at(1s));
  const auto beat = [&](StorageId id, std::uint64_t free) {
    ClusterMap::Heartbeat heard;
    heard.capacityBytes = 100 * kGiB;
    heard.freeBytes = free;
    map.heartbeat(id, heard, at(1s));
  };
  beat(1, 10 * kGiB);
  beat(2, 11 * kGiB);
  EXPECT_EQ(map.shortOfRoom(at(2s)), std::vector<StorageId>{1});
  EXPECT_TRUE(map.shortOfRoom(at(10s)).empty());  // it is not heard of
}

TEST(ClusterMap, a_server_that_has_been_checked_takes_files_at_once) {
  ClusterMap map({}, at(0s));
  StorageServer server = storage(1);
  server.checking = true;
  map.registered(server, at(1s));
  EXPECT_TRUE(map.view(at(1s))->find(1)->checking);
  map.heartbeat(1, {}, at(1s));
  EXPECT_FALSE(map.view(at(1s))->find(1)->checking);
}

TEST(ClusterMap, says_for_a_moment_that_a_server_was_just_lost) {
  ClusterMap map({}, at(0s));
  StorageServer server = storage(1, 7);
  server.session = 70;
  map.registered(server, at(1s));
  EXPECT_TRUE(map.view(at(10s))->justLost.empty());
  ASSERT_TRUE(map.disconnected(1, 70, at(10s)));
  map.load(storage(1, 0));  // from the catalog
  EXPECT_TRUE(map.view(at(12s))->justLost.contains("g1"));
  EXPECT_TRUE(map.view(at(14s))->justLost.empty());
  map.registered(server, at(14s));
  ASSERT_TRUE(map.disconnected(1, 70, at(15s)));
  map.registered(server, at(16s));
  EXPECT_TRUE(map.view(at(16s))->justLost.empty()) << "it is back";
}

// It starts, and stands still before anybody can have registered.
TEST(ClusterMap, time_in_which_the_tracker_stood_still_is_none_to_settle_in) {
  ClusterMap map({}, at(0s));
  map.load(storage(1, 0));
  map.tick(at(1s));
  EXPECT_TRUE(map.settling(at(9s))) << "before it notices";
  EXPECT_TRUE(map.view(at(9s))->settling.contains("g1"));
  map.tick(at(9s));
  EXPECT_TRUE(map.settling(at(9s)));
  for (auto time = 9000ms; time <= 12s; time += 250ms) map.tick(at(time));
  EXPECT_FALSE(map.settling(at(12s)));
}

TEST(ClusterMap, a_server_that_is_silent_since_the_tracker_stood_still_was_just_lost) {
  ClusterMap map({}, at(0s));
  map.tick(at(100s));
  StorageServer server = storage(1, 7);
  server.session = 70;
  map.registered(server, at(100s));
  EXPECT_TRUE(map.view(at(110s))->justLost.contains("g1")) << "before it notices";
  map.tick(at(110s));
  EXPECT_TRUE(map.view(at(110s))->justLost.contains("g1"));
  for (auto time = 110000ms; time <= 114s; time += 250ms) map.tick(at(time));
  EXPECT_TRUE(map.view(at(114s))->justLost.empty()) << "it hangs";
}

TEST(ClusterMap, a_server_whose_session_ended_before_the_tracker_stood_still_was_just_lost) {
  ClusterMap map({}, at(0s));
  StorageServer server = storage(1, 7);
  server.session = 70;
  map.registered(server, at(1s));
  map.tick(at(100s));
  ASSERT_TRUE(map.disconnected(1, 70, at(100s)));
  map.tick(at(110s));
  for (auto time = 110000ms; time <= 112s; time += 250ms) map.tick(at(time));
  EXPECT_TRUE(map.view(at(112s))->justLost.contains("g1")) << "it had no time to come back";
  for (auto time = 112000ms; time <= 114s; time += 250ms) map.tick(at(time));
  EXPECT_TRUE(map.view(at(114s))->justLost.empty());
}

// The news of its end came when it went on.
TEST(ClusterMap, a_server_whose_session_ended_while_the_tracker_stood_still_is_not_just_lost_for_longer) {
  ClusterMap map({}, at(0s));
  StorageServer server = storage(1, 7);
  server.session = 70;
  map.registered(server, at(1s));
  map.tick(at(100s));
  ASSERT_TRUE(map.disconnected(1, 70, at(110s)));
  for (auto time = 110000ms; time <= 114s; time += 250ms) map.tick(at(time));
  EXPECT_TRUE(map.view(at(114s))->justLost.empty());
}

TEST(ClusterMap, waits_a_moment_after_the_start_for_servers_it_knows) {
  ClusterMap map({}, at(0s));
  map.load(storage(1, 0));
  EXPECT_TRUE(map.view(at(1s))->settling.count("g1"));
  map.registered(storage(1), at(1s));
  EXPECT_TRUE(map.view(at(1s))->settling.empty());
  ClusterMap other({}, at(0s));
  other.load(storage(1, 0));
  EXPECT_TRUE(other.view(at(4s))->settling.empty());
}

// A tracker with clocks of its own.
struct LeaseHost {
  std::string name;
  std::int64_t wallAhead = 0;
  std::string candidate;
  LeaseWatch watch;

  // Its claim at a moment of the test's clock; what the row is then.
  Lease ask(Lease& row, Duration at) {
    const TimePoint now{at.count() + 1'000'000 * static_cast<std::int64_t>(name[0])};
    if (const auto next = claim(row, watch.seen(now), name, candidate, at.count() + wallAhead, LeaseRules()))
      row = *next;
    watch.saw(row, now);
    return row;
  }
};

TEST(Lease, the_candidate_takes_over_first) {
  Lease row;
  LeaseHost a{"a", 0, "b", {}}, b{"b", 0, "c", {}}, c{"c", 0, "a", {}};
  EXPECT_EQ(a.ask(row, 1s).holder, "a");
  EXPECT_EQ(row.term, 1);
  b.ask(row, 2s);
  c.ask(row, 2s);
  EXPECT_EQ(b.ask(row, 6999ms).holder, "a");
  EXPECT_EQ(c.ask(row, 8999ms).holder, "a");
  Lease other = row;
  EXPECT_EQ(b.ask(row, 7s).holder, "b");
  EXPECT_EQ(row.candidate, "c");
  EXPECT_EQ(row.term, 2);
  EXPECT_EQ(c.ask(other, 9s).holder, "c");
}

TEST(Lease, clocks_that_differ_give_it_to_nobody_too_early) {
  for (const std::int64_t ahead : {3'600'000'000'000, -3'600'000'000'000}) {
    Lease row;
    LeaseHost a{"a", 0, "b", {}}, b{"b", ahead, "a", {}};
    for (Duration at = 1s; at < 60s; at += 1250ms) {
      ASSERT_EQ(a.ask(row, at).holder, "a");
      ASSERT_EQ(b.ask(row, at + 1200ms).holder, "a");
    }
    EXPECT_EQ(row.term, 1);
    EXPECT_EQ(b.ask(row, 66s).holder, "b");
  }
}

TEST(Lease, a_clock_that_is_set_back_renews_it) {
  Lease row;
  LeaseHost a{"a", 0, "b", {}}, b{"b", 0, "a", {}};
  a.ask(row, 1s);
  for (Duration at = 2s; at < 20s; at += 1250ms) {
    const Lease before = row;
    a.wallAhead -= 1'250'000'000;
    a.ask(row, at);
    ASSERT_NE(row, before);
    ASSERT_EQ(b.ask(row, at).holder, "a");
  }
}

TEST(Lease, renewal_keeps_the_term_and_a_lapsed_one_or_a_new_process_does_not) {
  Lease row;
  LeaseHost a{"a", 0, "", {}};
  a.ask(row, 1s);
  EXPECT_EQ(a.ask(row, 2s).term, 1);
  EXPECT_EQ(a.ask(row, 7s).term, 2);
  LeaseHost restarted{"a", 0, "", {}};
  EXPECT_EQ(restarted.ask(row, 8s).term, 3);
}

TEST(PosixAcl, chmod_moves_the_mask_and_an_inherited_acl_is_cut_to_the_mode) {
  const std::string acl(
      "\x02\0\0\0"
      "\x01\0\x07\0\xff\xff\xff\xff"
      "\x02\0\x07\0\xe8\x03\0\0"
      "\x04\0\x05\0\xff\xff\xff\xff"
      "\x10\0\x07\0\xff\xff\xff\xff"
      "\x20\0\x05\0\xff\xff\xff\xff",
      44);
  const auto changed = aclWithMode(acl, 0640);
  ASSERT_TRUE(changed);
  EXPECT_EQ((*changed)[4 + 2], 6);   // owner
  EXPECT_EQ((*changed)[28 + 2], 4);  // mask
  EXPECT_EQ((*changed)[36 + 2], 0);  // others
  const auto inherited = inheritAcl(acl, 0664);
  ASSERT_TRUE(inherited);
  EXPECT_EQ(inherited->mode, 0664u);
  EXPECT_EQ(inherited->access[28 + 2], 6);
  EXPECT_FALSE(aclWithMode("rubbish", 0));
}
