#pragma once

#include <memory>
#include <vector>

#include "cli/doctor/diagnosis.h"
#include "cli/remote/links.h"
#include "vcfs/cluster.h"

namespace vcfs::cli::doctor {

// Asks every daemon that `status` names for its version, clock and disk.
Task<std::vector<Daemon>> askAll(std::shared_ptr<Links> links, const nlohmann::ordered_json& status);

// Writes, follows and reads back small files until each storage server that is up and takes files has had one, and
// compares the bytes on each of them; the files and their directories are gone afterwards. Directories are called
// vcfs-doctor-GROUP; they stay users of their group.
Task<void> tryStorages(std::shared_ptr<Cluster> cluster, std::shared_ptr<Links> links,
                       const nlohmann::ordered_json& status, Findings& findings);

// A recording of `seconds`; `kill` is called with the primary's name in the middle of it. Returns the longest that a
// write or fsync took, and checks every byte.
struct Stall {
  std::string victim;
  double longestMs = 0;
  std::uint64_t bytes = 0;
};
Task<Stall> recordThroughKill(Runtime& runtime, std::shared_ptr<Cluster> cluster,
                              std::function<void(const std::string&)> kill);

}  // namespace vcfs::cli::doctor
