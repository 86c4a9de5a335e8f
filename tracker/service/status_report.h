#pragma once

#include <memory>
#include <string>

#include "tracker/service/tracker_core.h"

// What `vcfs status`, `vcfs stat`, `vcfs groups` and `vcfs users` print, as JSON. The keys are documented in
// docs/operations.md and do not change their meaning.
namespace vcfs::tracker {

// `merge`: ask the other trackers for the sessions that only they know.
Task<std::string> statusJson(std::shared_ptr<TrackerCore> core, bool merge);
Task<std::string> fileJson(std::shared_ptr<TrackerCore> core, InodeId inode);
// Every server; with `only`, that one alone, not in a list.
Task<std::string> storagesJson(std::shared_ptr<TrackerCore> core, StorageId only = 0);
Task<std::string> groupsJson(std::shared_ptr<TrackerCore> core);
Task<std::string> usersJson(std::shared_ptr<TrackerCore> core);

}  // namespace vcfs::tracker
