#include "httpd/ops/cluster_metrics.h"

#include "common/base/log.h"
#include "httpd/core/metrics.h"

namespace vcfs::httpd {

ClusterMetrics::ClusterMetrics(Runtime& runtime)
    : runtime_(runtime), answered_(runtime.io), unreachable_(std::make_shared<const std::string>(unreachableText())) {}

Task<ClusterMetrics::Text> ClusterMetrics::get(std::shared_ptr<Cluster> cluster) {
  auto self = shared_from_this();
  if (!asking_) {
    if (answer_ && runtime_.clock.now() - answeredAt_ < kFreshFor) co_return answer_;
    begin(std::move(cluster));
  }
  // From when the question was asked, not from now: who comes while it hangs is not held up as well.
  const TimePoint deadline = askedAt_ + kLimit;
  while (asking_) {
    const Duration left = deadline - runtime_.clock.now();
    if (left <= Duration(0)) co_return unreachable_;
    co_await answered_.waitFor(runtime_.clock, left);
  }
  co_return answer_;
}

void ClusterMetrics::begin(std::shared_ptr<Cluster> cluster) {
  asking_ = true;
  askedAt_ = runtime_.clock.now();
  runtime_.spawn("http.status", ask(std::move(cluster)));
}

// Nobody ends it when scrapers wait no more: the client library repeats the question until its stall limit, so the
// answer is here as soon as a tracker is.
Task<void> ClusterMetrics::ask(std::shared_ptr<Cluster> cluster) {
  auto self = shared_from_this();
  try {
    std::string status = co_await cluster->statusJson();
    answer_ = std::make_shared<const std::string>(clusterText(status));
  } catch (const std::exception& error) {
    failed(error.what());
  }
  answeredAt_ = runtime_.clock.now();
  asking_ = false;
  answered_.notifyAll();
}

// Told once, and not with every scrape while the cluster is away.
void ClusterMetrics::failed(const std::string& reason) {
  if (answer_ != unreachable_) log::warn("http.status_failed", {{"reason", reason}});
  answer_ = unreachable_;
}

}  // namespace vcfs::httpd
