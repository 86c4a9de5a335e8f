#pragma once

#include <memory>
#include <string>

#include "common/async/signal.h"
#include "common/runtime/runtime.h"
#include "vcfs/cluster.h"

namespace vcfs::httpd {

// The cluster's part of /metrics. However many scrape, the trackers are asked one question at a time, and the next at
// the earliest kFreshFor after the last was answered. Loop thread only; held alive by its coroutines.
class ClusterMetrics : public std::enable_shared_from_this<ClusterMetrics> {
 public:
  static constexpr Duration kFreshFor = std::chrono::seconds(1);  // an answer, also that there is none, is given again
  static constexpr Duration kLimit = std::chrono::seconds(2);     // a question that is older counts as not answered

  using Text = std::shared_ptr<const std::string>;

  explicit ClusterMetrics(Runtime& runtime);
  // After kLimit at the latest. Does not throw because of the cluster: unreachableText() then.
  Task<Text> get(std::shared_ptr<Cluster> cluster);

 private:
  void begin(std::shared_ptr<Cluster> cluster);
  Task<void> ask(std::shared_ptr<Cluster> cluster);
  void failed(const std::string& reason);

  Runtime& runtime_;
  Signal answered_;
  const Text unreachable_;
  Text answer_;  // null: nothing was asked yet
  TimePoint askedAt_;
  TimePoint answeredAt_;
  bool asking_ = false;
};

}  // namespace vcfs::httpd
