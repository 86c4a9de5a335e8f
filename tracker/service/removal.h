#pragma once

#include "tracker/service/tracker_core.h"

namespace vcfs::tracker {

// Takes everything off a storage server that is to be forgotten: see Tracker.removeStorage. Each step is committed, so
// that it may be interrupted anywhere and repeated. Made for one call; on the loop.
class Removal {
 public:
  Removal(std::shared_ptr<TrackerCore> core, StorageServer server);
  // True: nothing is left there, and nothing can come meanwhile. False: the time of one call is over (5 s of it, after
  // the count; at least one page was done). Throws Error.
  Task<bool> empty(bool force, ops::Occasion occasion);
  // Nothing new is placed there, and no empty disk takes over its id, at whichever tracker it asks.
  Task<void> bar();

 private:
  void requireAway() const;
  Task<std::uint64_t> needed(bool force);  // its in-sync replicas; throws when it must not be removed
  std::string reason(const ops::CensusPage& total) const;
  Task<bool> loseInSync();
  Task<bool> losePage(const ops::LayoutPage& page);
  ops::FailedReplica judge(const Layout& layout) const;
  Task<bool> dropBehind(ops::Occasion occasion);
  bool late() const { return core_->runtime.clock.now() >= deadline_; }

  std::shared_ptr<TrackerCore> core_;
  StorageServer server_;
  TimePoint deadline_;
};

}  // namespace vcfs::tracker
