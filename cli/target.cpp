#include "cli/target.h"

#include <cstdlib>

#include "cli/core/usage_error.h"
#include "cli/local/local_cluster.h"
#include "cli/local/mounts.h"
#include "common/base/error.h"
#include "common/base/ids.h"
#include "common/base/settings.h"

namespace vcfs::cli {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::vector<std::string> parseTrackers(const std::string& text) {
  try {
    return parseAddressList(text, kDefaultTrackerPort);
  } catch (const Error& e) {
    throw UsageError("--trackers " + text + ": " + e.detail());
  }
}

}  // namespace

void TargetOptions::declare(CLI::App& app) {
  auto* dir = app.add_option(
      "--dir", dir_,
      std::string("the cluster that `vcfs up` keeps in this directory (default ") + kDefaultDir + ", or VCFS_DIR)");
  auto* trackers = app.add_option("--trackers", trackers_,
                                  "the cluster with these trackers: host:port,host:port… (or VCFS_TRACKERS)");
  dir->type_name("D")->excludes(trackers);
  trackers->type_name("LIST");
}

TargetOptions::Target TargetOptions::resolve() const {
  Target target;
  target.mounts = vcfsMounts();
  std::string list = trackers_, dir = dir_;
  if (list.empty() && dir.empty()) list = environment("VCFS_TRACKERS");
  if (!list.empty()) {
    target.trackers = parseTrackers(list);
    return target;
  }
  if (dir.empty()) dir = environment("VCFS_DIR");
  LocalCluster cluster(dir.empty() ? kDefaultDir : dir);
  target.dir = cluster.dir().root;
  target.settings = cluster.loadSettings();
  if (!target.settings) {
    throw Error(Errc::notFound,
                fmt::format("there is no cluster in {}: start one with `vcfs up`, or name a cluster with "
                            "--dir D or --trackers host:port,…",
                            target.dir));
  }
  target.trackers = trackerAddresses(*target.settings);
  // First, so that what is mounted there counts.
  if (!target.settings->mount.empty()) target.mounts.insert(target.mounts.begin(), {target.settings->mount, "/", ""});
  return target;
}

}  // namespace vcfs::cli
