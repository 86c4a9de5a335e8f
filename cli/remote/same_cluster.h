#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/runtime/runtime.h"
#include "vcfs/cluster.h"

namespace vcfs::cli {

// Whether these trackers are of the cluster that `cluster` is connected to: its trackers know them, or they know its
// trackers, whichever of their addresses people use. nullopt: none of them answered within 3 s. Loop thread only.
Task<std::optional<bool>> areTrackersOf(Runtime& runtime, std::shared_ptr<Cluster> cluster,
                                        std::vector<std::string> trackers);

}  // namespace vcfs::cli
