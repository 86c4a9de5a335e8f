#include "cli/remote/same_cluster.h"

#include <nlohmann/json.hpp>

#include "cli/core/cluster_settings.h"

namespace vcfs::cli {
namespace {

constexpr std::chrono::seconds kLimit{3};

// As they are known in their cluster.
Task<std::vector<std::string>> trackersOf(std::shared_ptr<Cluster> cluster) {
  const std::string text = co_await cluster->statusJson();
  std::vector<std::string> addresses;
  const auto status = nlohmann::json::parse(text);
  for (const auto& tracker : status.at("trackers")) addresses.push_back(tracker.at("address").get<std::string>());
  co_return addresses;
}

Task<std::vector<std::string>> askTrackers(Runtime& runtime, std::vector<std::string> trackers) {
  ClusterOptions options;
  options.trackers = std::move(trackers);
  options.kind = "cli";
  options.stallLimit = kLimit;
  auto cluster = co_await Cluster::connect(runtime, std::move(options));
  std::vector<std::string> addresses = co_await trackersOf(cluster);
  co_await cluster->shutdown();
  co_return addresses;
}

}  // namespace

Task<std::optional<bool>> areTrackersOf(Runtime& runtime, std::shared_ptr<Cluster> cluster,
                                        std::vector<std::string> trackers) {
  if (trackers.empty()) co_return std::optional<bool>();
  const std::vector<std::string> own = co_await trackersOf(std::move(cluster));
  if (shareTracker(own, trackers)) co_return std::optional<bool>(true);
  std::vector<std::string> theirs;
  try {
    theirs = co_await askTrackers(runtime, std::move(trackers));
  } catch (const Error&) {
    co_return std::optional<bool>();
  }
  co_return std::optional<bool>(shareTracker(own, theirs));
}

}  // namespace vcfs::cli
