#pragma once

#include <functional>

#include "cli/core/plan.h"
#include "cli/local/local_cluster.h"
#include "cli/local/mounts.h"

// Starts and stops the processes of a plan. Blocking.
namespace vcfs::cli {

using Say = std::function<void(const std::string&)>;  // one line for people

class Launcher {
 public:
  Launcher(LocalCluster& cluster, Say say) : cluster_(cluster), say_(std::move(say)) {}

  // Everything that can be known to fail before anything is started: programs that are missing, ports that are taken
  // and stay so for 3 s, a machine that cannot mount, a place where something else is mounted. Throws Error with what
  // to do about it.
  void check(const std::vector<ProcessSpec>& plan, const ClusterSettings& settings) const;

  // Starts what is not running, role by role, each when the one before answers. Returns how many were started. When one
  // cannot be started, those started by this call are stopped again and Error says why, with the end of its log.
  int start(const std::vector<ProcessSpec>& plan, const ClusterSettings& settings);

  struct StopOptions {
    bool force = false;                  // do not wait for users of the mount
    std::chrono::seconds busyLimit{10};  // how long users of the mount are waited for before it is detached
  };
  // Unmounts what is ours, then ends the processes in the opposite order. Returns how many were running.
  int stop(const std::vector<ProcessSpec>& plan, const ClusterSettings& settings, StopOptions options);

 private:
  struct Child {
    const ProcessSpec* spec;
    ProcessIdentity identity;
    std::uint64_t logStart;
  };
  void checkPort(const ProcessSpec& spec, const ClusterSettings& settings) const;
  static bool mountedByUs(const MountEntry& there, const ClusterSettings& settings);
  static bool mountedByUs(const ClusterSettings& settings);
  // Whether it need not be started. Says so when its mount is hidden by another one, ends it when that is gone.
  bool runs(const ProcessSpec& spec, const ClusterSettings& settings);
  static void checkWhatIsMounted(const ClusterSettings& settings);
  Child launch(const ProcessSpec& spec, const ClusterSettings& settings);
  void waitReady(const Child& child, const ClusterSettings& settings);
  bool ready(const ProcessSpec& spec, const ClusterSettings& settings) const;
  // False when it was detached although somebody uses it, or something else is mounted there: then the mount process
  // does not end by itself.
  bool leaveMount(const ClusterSettings& settings, const StopOptions& options);
  void end(const ProcessSpec& spec);

  LocalCluster& cluster_;
  Say say_;
};

}  // namespace vcfs::cli
