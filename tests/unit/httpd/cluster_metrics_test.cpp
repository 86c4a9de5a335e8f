// When the trackers are asked for /metrics, and how long somebody waits for them; on a clock that is moved by hand.
#include "httpd/ops/cluster_metrics.h"

#include <gtest/gtest.h>

#include "httpd/core/metrics.h"
#include "tests/unit/httpd/fake_cluster.h"

namespace vcfs::httpd::test {
namespace {

using namespace std::chrono_literals;

class ClusterMetricsTest : public testing::Test {
 protected:
  // A scrape that starts now; its text comes into the result.
  std::shared_ptr<std::string> scrape() {
    auto text = std::make_shared<std::string>();
    runtime.spawn("scrape", keep(text));
    settle();
    return text;
  }
  void settle() { clock.advance(0s); }

  asio::io_context io;
  ManualClock clock{io};
  NoTransport transport;
  Runtime runtime{io, clock, transport, std::mt19937_64(1)};
  std::shared_ptr<FakeCluster> cluster = std::make_shared<FakeCluster>(runtime);
  std::shared_ptr<ClusterMetrics> metrics = std::make_shared<ClusterMetrics>(runtime);
  const std::string up = clusterText("{}");
  const std::string away = unreachableText();

 private:
  Task<void> keep(std::shared_ptr<std::string> text) {
    auto answer = co_await metrics->get(cluster);
    *text = *answer;
  }
};

TEST_F(ClusterMetricsTest, an_answer_is_given_again_for_a_second) {
  EXPECT_EQ(*scrape(), up);
  clock.advance(999ms);
  EXPECT_EQ(*scrape(), up);
  EXPECT_EQ(cluster->statusAsked, 1);
  clock.advance(1ms);
  EXPECT_EQ(*scrape(), up);
  EXPECT_EQ(cluster->statusAsked, 2);
}

TEST_F(ClusterMetricsTest, a_failure_too) {
  cluster->failNext = Error(Errc::unavailable, "no tracker");
  EXPECT_EQ(*scrape(), away);
  clock.advance(999ms);
  EXPECT_EQ(*scrape(), away);
  EXPECT_EQ(cluster->statusAsked, 1);
  clock.advance(1ms);
  EXPECT_EQ(*scrape(), up);
}

TEST_F(ClusterMetricsTest, scrapes_at_the_same_time_share_a_question) {
  cluster->holdStatus = true;
  auto first = scrape(), second = scrape();
  clock.advance(500ms);
  auto third = scrape();
  EXPECT_EQ(*first + *second + *third, "");
  cluster->releaseStatus();
  settle();
  EXPECT_EQ(*first, up);
  EXPECT_EQ(*second, up);
  EXPECT_EQ(*third, up);
  EXPECT_EQ(cluster->statusAsked, 1);
}

TEST_F(ClusterMetricsTest, nobody_waits_longer_than_the_limit_for_a_question_that_hangs) {
  cluster->holdStatus = true;
  auto first = scrape();
  clock.advance(1500ms);
  auto second = scrape();
  clock.advance(499ms);
  EXPECT_EQ(*first + *second, "");
  clock.advance(1ms);
  EXPECT_EQ(*first, away);
  EXPECT_EQ(*second, away);
  clock.advance(5s);
  EXPECT_EQ(*scrape(), away);  // at once, and without a second question
  EXPECT_EQ(cluster->statusAsked, 1);
}

TEST_F(ClusterMetricsTest, an_answer_that_came_late_counts_from_when_it_came) {
  cluster->holdStatus = true;
  scrape();
  clock.advance(8s);
  cluster->releaseStatus();
  settle();
  clock.advance(999ms);
  EXPECT_EQ(*scrape(), up);
  EXPECT_EQ(cluster->statusAsked, 1);
}

TEST_F(ClusterMetricsTest, a_status_that_is_none_counts_as_no_answer) {
  cluster->status = "surprise";
  EXPECT_EQ(*scrape(), away);
}

}  // namespace
}  // namespace vcfs::httpd::test
