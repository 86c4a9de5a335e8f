#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tracker/service/tracker_core.h"

namespace vcfs::tracker {

// The part of the coordinator that makes replicas elsewhere for servers that are being emptied, or that have been away
// for longer than `replace-after`. Paced: a round changes at most a few hundred files, and none of a
// group in which `rebuild-files` are being copied.
class Evacuation {
 public:
  explicit Evacuation(TrackerCore& core) : core_(core) {}

  // Every tracker: a server that is heard of here is not away, whatever the coordinator believes.
  Task<void> noteReturns();
  // The coordinator. The fence is checked in each transaction.
  Task<void> round(ops::Fence fence);

 private:
  Task<void> noteAway();
  std::vector<ops::Evacuee> evacuees() const;
  Task<std::uint64_t> room(std::string group);
  Task<std::uint64_t> moveFrom(ops::Fence fence, ops::Evacuee from, std::uint64_t room);
  Task<std::uint64_t> step(ops::Fence fence, ops::Evacuee from, std::uint64_t room);
  Task<bool> handOver(ops::Fence fence, StorageId from, Layout layout);
  Task<void> announce(std::vector<Layout> changed, StorageId from);
  Task<void> announceHandOver(ops::LayoutChange change, StorageId from);
  bool resting(InodeId inode) const;
  bool hopeless(InodeId inode, const Error& refusal);
  unsigned noteRefusal(InodeId inode);

  TrackerCore& core_;
  std::map<std::pair<StorageId, bool>, InodeId> cursors_;
  TimePoint handOverUntil_;
  struct Refusal {
    TimePoint again;  // then its primary is asked again
    unsigned count = 0;
  };
  std::map<InodeId, Refusal> refusals_;
};

}  // namespace vcfs::tracker
