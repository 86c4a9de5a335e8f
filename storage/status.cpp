// What status() tells of this server.
#include <nlohmann/json.hpp>

#include "common/base/version.h"
#include "storage/node.h"
#include "storage/store/filesystem_info.h"

namespace vcfs::storage {

std::string Node::statusJson() {
  nlohmann::json json;
  std::size_t open = 0, primary = 0, syncing = 0, failed = 0;
  std::uint64_t toGo = 0;
  for (const auto& [inode, file] : files_) {
    if (file->state == FileState::open && file->onDisk) ++open;
    if (file->replica.role() == Role::primary) ++primary;
    if (file->replica.role() == Role::syncing) ++syncing;
    toGo += file->bytesToGo;
    for (const ReplicaSlot& slot : file->slots) failed += slot.failed;
  }
  json["version"] = VCFS_VERSION;
  json["clock_ns"] = runtime.clock.wallNs();
  json["settings"] = options.settings;
  json["name"] = options.name;
  json["storage"] = self();
  json["group"] = options.group;
  json["zone"] = options.zone;
  json["data"] = options.dataDirectory;
  const FilesystemInfo filesystem = filesystemOf(options.dataDirectory);
  json["filesystem"] = filesystem.type;
  json["mount_options"] = filesystem.options;
  json["cluster"] = trackers->cluster();
  json["tracker_connected"] = trackers->connected();
  json["recovered"] = recovered_;
  json["files_in_memory"] = files_.size();
  json["files_open"] = open;
  json["files_primary"] = primary;
  json["files_syncing"] = syncing;
  json["files_unreported"] = reports_.urgent();
  json["files_unstable"] = reports_.heard() + hardening_.size();
  json["replicas_being_reported"] = failures_.size();
  json["replicas_failed"] = failed;
  json["bytes_to_go"] = toGo;
  json["peers_connected"] = peers->connected();
  json["writers"] = leases_.clients();
  json["writes"] = counters.writes;
  json["written_bytes"] = counters.writtenBytes;
  json["replicated"] = counters.replicated;
  json["replicated_bytes"] = counters.replicatedBytes;
  json["reads"] = counters.reads;
  json["read_bytes"] = counters.readBytes;
  json["inline_writes"] = counters.inlineWrites;
  json["inline_jobs"] = counters.inlineJobs;
  json["inline_reads"] = counters.inlineReads;
  json["copied"] = counters.copied;
  json["copied_bytes"] = counters.copiedBytes;
  json["repeats"] = counters.repeats;
  json["refused_stale"] = counters.refusedStale;
  json["replicas_lost"] = counters.replicasLost;
  json["sealed_closed"] = counters.sealedClosed;
  json["sealed_recovered"] = counters.sealedRecovered;
  json["caught_up"] = counters.caughtUp;
  json["caught_up_bytes"] = counters.caughtUpBytes;
  json["disk_errors"] = counters.diskErrors;
  json["kept_after_power_loss"] = counters.keptAfterPowerLoss;
  json["disk_queue"] = pools.writes->queued();
  return json.dump();
}

}  // namespace vcfs::storage
