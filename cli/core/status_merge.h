#pragma once

#include <map>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "cli/core/plan.h"

// What `vcfs status` shows. Decisions only, no I/O.
namespace vcfs::cli {

// A process of a one-machine cluster as it was found.
struct LocalState {
  int pid = 0;           // 0: not running
  bool mounted = false;  // of the mount
};

// Which mount of the cluster is this machine's.
struct LocalMount {
  std::string path;
  std::string host;  // as this machine's clients call themselves
};

// Puts pids and states of this machine's processes into what a tracker said (an object, maybe empty when none
// answered). A process that is dead is "down" whatever the tracker still believes; one that lives but is not in the
// tracker's answer is added as "starting" (or "unknown" when no tracker answered). Afterwards each of trackers,
// idservers, storages, httpds and mounts is there.
void mergeLocal(nlohmann::ordered_json& status, const std::vector<ProcessSpec>& plan,
                const std::map<std::string, LocalState>& states, const LocalMount& mount, bool trackerAnswered);

// The same for people.
std::string statusText(const nlohmann::ordered_json& status);

// A line for each storage server that runs and is refused by the trackers, with the reason; "": none.
std::string refusals(const nlohmann::ordered_json& storages);

}  // namespace vcfs::cli
