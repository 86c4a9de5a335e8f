#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/core/cluster_settings.h"
#include "cli/core/store_path.h"

namespace vcfs::cli {

inline constexpr const char* kDefaultDir = "/var/lib/vcfs";

// Which cluster a command is about: --dir D (one of `vcfs up`) or --trackers LIST.
class TargetOptions {
 public:
  void declare(CLI::App& app);

  struct Target {
    std::string dir;                          // of --dir; "" for --trackers
    std::optional<ClusterSettings> settings;  // of --dir
    std::vector<std::string> trackers;        // "host:port"
    std::vector<MountMapping> mounts;         // of this machine, those of other clusters too
  };
  // Options win over the environment (VCFS_TRACKERS, VCFS_DIR), that over the default directory.
  // Throws UsageError for a malformed list, Error(notFound) when there is no cluster in the directory.
  Target resolve() const;

 private:
  std::string dir_, trackers_;
};

}  // namespace vcfs::cli
