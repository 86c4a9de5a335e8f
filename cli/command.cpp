#include "cli/command.h"

#include <cstdio>

#include "cli/core/usage_error.h"
#include "cli/local/local_cluster.h"
#include "cli/remote/same_cluster.h"
#include "common/base/error.h"
#include "common/base/settings.h"

namespace vcfs::cli {
namespace {

constexpr std::chrono::milliseconds kLeastTimeout{100};  // those of ClusterOptions::stallLimit
constexpr std::chrono::milliseconds kMostTimeout{3'600'000};

// A cluster of this machine none of whose trackers lives needs no waiting.
void mustRun(const TargetOptions::Target& target) {
  if (!target.settings) return;
  LocalCluster local(target.dir);
  for (int i = 1; i <= target.settings->trackers; ++i) {
    if (local.running("tracker-" + std::to_string(i))) return;
  }
  throw Error(Errc::unavailable, fmt::format("the cluster in {} is not running: start it with `vcfs up --dir {}`",
                                             target.dir, target.dir));
}

}  // namespace

struct ClientCommand::Outcome {
  int code = kFailed;
  std::exception_ptr error;
};

void ClientCommand::declareCommon(CLI::App& app, const char* defaultTimeout) {
  options_.declare(app);
  timeout_ = defaultTimeout;
  app.add_option("--timeout", timeout_, "how long to wait for a cluster that is away (500ms, 10s, 1m)")
      ->type_name("TIME")
      ->capture_default_str();
}

void ClientCommand::declareJson(CLI::App& app) { app.add_flag("--json", json_, "print JSON"); }

Task<void> ClientCommand::drive(std::shared_ptr<Outcome> outcome) {
  ClusterOptions options;
  options.trackers = target_.trackers;
  options.kind = "cli";
  options.stallLimit = parseTimeout(timeout_);
  std::shared_ptr<Cluster> cluster;
  try {
    cluster = co_await Cluster::connect(*runtime_, std::move(options));
    outcome->code = co_await perform(cluster);
  } catch (...) {
    outcome->error = std::current_exception();
  }
  if (cluster) {
    try {
      co_await cluster->shutdown();
    } catch (...) {
      if (!outcome->error) outcome->error = std::current_exception();
    }
  }
}

Task<std::optional<bool>> ClientCommand::isOurMount(std::shared_ptr<Cluster> cluster, std::string source) {
  std::vector<std::string> trackers = trackersOfSource(source);
  if (ourSources_.contains(source) || shareTracker(trackers, target_.trackers)) co_return std::optional<bool>(true);
  std::optional<bool> ours = co_await areTrackersOf(runtime(), std::move(cluster), std::move(trackers));
  if (ours.value_or(false)) ourSources_.insert(source);
  co_return ours;
}

Task<std::string> ClientCommand::path(std::shared_ptr<Cluster> cluster, std::string typed) {
  const MountMapping* mount = mountOf(typed, target_.mounts);
  if (mount && !mount->source.empty()) {
    std::optional<bool> ours = co_await isOurMount(std::move(cluster), mount->source);
    if (!ours.value_or(false)) {
      throw UsageError(fmt::format("{} is on a mount of {}, {}: give --trackers {}, or the path in the store", typed,
                                   mount->source, ours ? "another cluster" : "whose trackers do not answer",
                                   join(trackersOfSource(mount->source))));
    }
  }
  co_return storePath(typed, target_.mounts);
}

int ClientCommand::run() {
  target_ = options_.resolve();
  parseTimeout(timeout_);
  mustRun(target_);
  auto outcome = std::make_shared<Outcome>();
  {
    Loop loop;
    runtime_ = &loop.runtime();
    runToEnd(loop, drive(outcome));
    runtime_ = nullptr;
  }
  if (outcome->error) std::rethrow_exception(outcome->error);
  return outcome->code;
}

void runToEnd(Loop& loop, Task<void> task) {
  loop.spawn(std::move(task));
  loop.run();
  // What the end of the connections still has to say to KJ's loop: it must be empty when it is destroyed.
  auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  loop.io().restart();
  while (loop.io().poll() > 0 && std::chrono::steady_clock::now() < limit) {
  }
}

Task<Entry> entryAt(std::shared_ptr<Cluster> cluster, std::string path, bool follow) {
  std::optional<Entry> entry = co_await cluster->resolve(kRootInode, path, follow);
  if (!entry) throw Error(Errc::notFound, path + ": there is no such file or directory in the store");
  co_return std::move(*entry);
}

std::chrono::milliseconds parseTimeout(const std::string& text) {
  std::chrono::milliseconds limit{0};
  try {
    limit = parseDuration(text);
  } catch (const Error& e) {
    throw UsageError("--timeout: " + e.detail());
  }
  if (limit < kLeastTimeout || limit > kMostTimeout) {
    throw UsageError("--timeout " + text + ": must be 100ms … 1h");
  }
  return limit;
}

void printLine(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (text.empty() || text.back() != '\n') std::fputc('\n', stdout);
}

void complain(const std::string& text) {
  std::fflush(stdout);
  std::fprintf(stderr, "vcfs: %s\n", text.c_str());
}

}  // namespace vcfs::cli
