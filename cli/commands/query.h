#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace vcfs::cli {

// The JSON of Tracker.status from the first of `trackers` that answers. Blocking, with a loop of its own. Throws Error
// (unavailable) after `limit`.
std::string queryStatus(const std::vector<std::string>& trackers, std::chrono::milliseconds limit);

}  // namespace vcfs::cli
