#include <gtest/gtest.h>

#include "tests/unit/tracker/engines.h"
#include "tracker/service/sole_lease.h"

namespace vcfs::tracker::test {

namespace {
constexpr Duration kHeard = std::chrono::milliseconds(300);
constexpr Duration kTrust = std::chrono::seconds(1);  // NAME_LEASE_MS
}  // namespace

// Trackers of one database, each with its lease and its watchers.
class SoleLeaseTest : public OpsTest {
 protected:
  struct Tracker {
    Tracker(Loop& loop, Catalog& catalog, const std::string& address, bool alone)
        : hub(loop.runtime, 1000),
          lease(std::make_shared<SoleLease>(loop.runtime, catalog, hub, address, alone)),
          loop(loop) {}
    ~Tracker() { lease->stop(); }
    void start() { loop.run(lease->start()); }
    // How long it takes until nobody trusts what he knows.
    Duration settle() {
      const auto began = loop.clock.now();
      loop.run(lease->settle(1, kHeard));
      return loop.clock.now() - began;
    }
    WatchHub hub;
    std::shared_ptr<SoleLease> lease;
    Loop& loop;
  };

  std::unique_ptr<Tracker> tracker(const std::string& address, bool alone) {
    return std::make_unique<Tracker>(*loop_, *catalog_, address, alone);
  }
  bool until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition() && std::chrono::steady_clock::now() < deadline) {
      loop_->io.restart();
      loop_->io.run_one_for(std::chrono::milliseconds(10));
    }
    return condition();
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, SoleLeaseTest, ::testing::Values("sqlite", "mariadb"));
class SharedLeaseTest : public SoleLeaseTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SharedLeaseTest, ::testing::Values("mariadb"));

TEST_P(SoleLeaseTest, the_only_tracker_grants_at_once_and_goes_on) {
  auto a = tracker("a:1", true);
  a->start();
  EXPECT_TRUE(a->lease->grants());
  const auto later = loop_->clock.now() + 2 * SoleLease::kValid;
  until([&] { return loop_->clock.now() > later; });
  EXPECT_TRUE(a->lease->grants());
  EXPECT_LT(a->settle(), kTrust);  // nothing was waited for
}

TEST_P(SoleLeaseTest, one_of_several_grants_only_where_nobody_can_share) {
  auto a = tracker("a:1", false);
  a->start();
  EXPECT_EQ(a->lease->grants(), GetParam() == "sqlite");
}

TEST_P(SoleLeaseTest, after_a_restart_it_grants_at_once) {
  auto a = tracker("a:1", true);
  a->start();
  a->lease->stop();
  auto again = tracker("a:1", true);
  again->start();
  EXPECT_TRUE(again->lease->grants());
}

TEST_P(SharedLeaseTest, a_second_tracker_ends_it) {
  auto a = tracker("a:1", true);
  a->start();
  auto b = tracker("b:1", true);
  b->start();
  EXPECT_FALSE(b->lease->grants());
  EXPECT_TRUE(until([&] { return !a->lease->grants(); }));
  // Both stay away from it.
  const auto later = loop_->clock.now() + 2 * SoleLease::kValid;
  until([&] { return loop_->clock.now() > later; });
  EXPECT_FALSE(a->lease->grants());
  EXPECT_FALSE(b->lease->grants());
}

// It does not renew any more, nor does it know: whoever opens a file elsewhere waits until it counts on it no more, nor
// do those who had its word.
TEST_P(SharedLeaseTest, nobody_opens_while_a_silent_tracker_may_be_trusted) {
  auto a = tracker("a:1", true);
  a->start();
  a->lease->stop();
  auto b = tracker("b:1", false);
  auto c = tracker("c:1", false);
  EXPECT_GE(b->settle(), SoleLease::kValid + kTrust);
  EXPECT_FALSE(a->lease->grants());
  EXPECT_LT(b->settle(), kTrust);
  EXPECT_LT(c->settle(), kTrust);
}

// The one that revoked it may be gone; who comes next cannot know when that was.
TEST_P(SharedLeaseTest, nor_after_somebody_else_has_revoked_it) {
  auto a = tracker("a:1", true);
  a->start();
  a->lease->stop();
  auto b = tracker("b:1", false);
  b->start();  // revokes
  b->lease->stop();
  auto c = tracker("c:1", false);
  EXPECT_GE(c->settle(), SoleLease::kValid + kTrust);
}

}  // namespace vcfs::tracker::test
