// Namespace calls through trackers that die, hang, hiccup and lose answers.
#include "tests/unit/client/fake_cluster.h"

namespace vcfs::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Duration timed(FakeCluster& fake, const std::function<void()>& what) {
  const TimePoint start = fake.clock.now();
  what();
  return fake.clock.now() - start;
}

TEST(TrackerSession, the_other_trackers_are_learnt_from_the_first) {
  FakeCluster fake(1, 3);
  auto cluster = fake.connect();  // knows tracker 0 only
  fake.killTracker(0);
  EXPECT_FALSE(fake.run(cluster->lookup(kRootInode, "nothing")));
}

TEST(TrackerSession, a_killed_tracker_is_replaced_within_milliseconds) {
  FakeCluster fake(1, 2);
  auto cluster = fake.connect(fake.options());
  fake.killTracker(0);
  const Duration took = timed(fake, [&] { fake.run(cluster->lookup(kRootInode, "nothing")); });
  EXPECT_LT(took, milliseconds(50));
}

TEST(TrackerSession, a_hanging_tracker_is_noticed_by_pings_within_a_second_and_a_half) {
  FakeCluster fake(1, 2);
  auto cluster = fake.connect(fake.options());
  fake.tracker(0).hanging = true;
  const Duration took = timed(fake, [&] { fake.run(cluster->lookup(kRootInode, "nothing")); });
  EXPECT_LT(took, milliseconds(1600));
}

TEST(TrackerSession, a_request_whose_answer_was_lost_is_repeated_with_the_same_id) {
  FakeCluster fake(1, 2);
  auto cluster = fake.connect(fake.options());
  fake.tracker(0).loseAnswers = true;
  CreateRequest request;
  request.name = "a";
  request.exclusive = true;
  Created created = fake.run(cluster->create(request));
  EXPECT_TRUE(created.created);
  EXPECT_EQ(fake.files.size(), 1u) << "executed once";
  EXPECT_EQ(fake.tracker(0).creates + fake.tracker(1).creates, 2) << "asked twice";
}

TEST(TrackerSession, unavailable_and_overloaded_answers_are_repeated) {
  FakeCluster fake;
  auto cluster = fake.connect();
  fake.makeFile("a", "x", FileState::closed);
  fake.tracker().refuse = Errc::overloaded;
  fake.tracker().refusals = 5;
  EXPECT_TRUE(fake.run(cluster->lookup(kRootInode, "a")));
}

TEST(TrackerSession, other_errors_are_told_at_once) {
  FakeCluster fake;
  auto cluster = fake.connect();
  fake.tracker().refuse = Errc::exists;
  CreateRequest request;
  request.name = "a";
  try {
    fake.run(cluster->create(request));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::exists);
  }
}

TEST(TrackerSession, without_any_tracker_a_call_fails_after_the_stall_limit_and_says_why) {
  FakeCluster fake;
  ClusterOptions options = fake.options();
  options.stallLimit = seconds(5);
  auto cluster = fake.connect(options);
  fake.killTracker(0);
  Duration took{};
  try {
    took = timed(fake, [&] {
      try {
        fake.run(cluster->lookup(kRootInode, "a"));
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::unavailable);
        EXPECT_NE(error.detail().find("tracker"), std::string::npos);
        return;
      }
      ADD_FAILURE() << "no error";
    });
  } catch (...) {
    FAIL();
  }
  EXPECT_GE(took, milliseconds(4900));
  EXPECT_LT(took, milliseconds(5600));
}

TEST(TrackerSession, a_tracker_that_comes_back_within_the_stall_limit_is_used) {
  FakeCluster fake;
  auto cluster = fake.connect();
  fake.killTracker(0);
  auto timer = fake.clock.callAt(fake.clock.now() + seconds(10), [&] { fake.startTracker(0); });
  EXPECT_FALSE(fake.run(cluster->lookup(kRootInode, "nothing")));
}

TEST(TrackerSession, a_cluster_that_was_made_anew_behind_the_same_address_is_another_one) {
  FakeCluster fake;
  fake.tracker().uuid = "a";
  ClusterOptions options = fake.options();
  options.stallLimit = seconds(2);
  auto cluster = fake.connect(options);
  fake.makeFile("a", "bytes of another cluster", FileState::closed);
  fake.killTracker(0);
  fake.tracker().uuid = "b";
  fake.startTracker(0);
  try {
    fake.run(cluster->lookup(kRootInode, "a"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_NE(error.detail().find("is a tracker of another cluster"), std::string::npos) << error.detail();
  }
  fake.killTracker(0);
  fake.tracker().uuid = "a";
  fake.startTracker(0);
  EXPECT_TRUE(fake.run(cluster->lookup(kRootInode, "a"))) << "its own one is taken again";
}

TEST(TrackerSession, connecting_to_nobody_fails_after_the_stall_limit) {
  FakeCluster fake;
  ClusterOptions options;
  options.trackers = {"nowhere:1"};
  options.stallLimit = milliseconds(500);
  EXPECT_THROW(fake.connect(options), Error);
}

TEST(TrackerSession, changes_are_passed_on_and_a_reconnect_says_that_anything_may_have_changed) {
  FakeCluster fake(1, 2);
  auto cluster = fake.connect(fake.options());
  std::vector<Change> seen;
  cluster->onChanged([&](const Change& change) { seen.push_back(change); });
  Change change;
  change.parent = 1;
  change.name = "x";
  fake.tell(change);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].name, "x");
  EXPECT_FALSE(seen[0].everything);
  fake.killTracker(0);
  ASSERT_TRUE(fake.until([&] { return seen.size() == 2; }));
  EXPECT_TRUE(seen[1].everything);
}

}  // namespace
}  // namespace vcfs::client
