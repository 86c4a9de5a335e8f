#pragma once

#include "tracker/service/tracker_core.h"

namespace vcfs::tracker {

// Takes everything off a storage server that is to be forgotten: see Tracker.removeStorage. Each step is committed, so
// that it may be interrupted anywhere and repeated. Made for one call; on the loop.
class Removal {
 public:
  Removal(std::shared_ptr<TrackerCore> core, StorageServer server);
  // True: nothing is left there, and nothing can come meanwhile. False: the time of one call is over (removalBudget for
  // the count, and again for what follows; at least one page was done). Throws Error.
  Task<bool> empty(bool force, ops::Occasion occasion);
  // Nothing new is placed there, and no empty disk takes over its id, at whichever tracker it asks.
  Task<void> bar();

 private:
  void requireAway() const;
  Task<void> requireEmpty();  // throws where it has an in-sync replica
  // Throws where nobody else who is there has one. False: the time is over, and the next call with this request goes
  // on.
  Task<bool> requireOthers(ops::Request request);
  Task<bool> countPage(ops::CensusPage* total, InodeId* after);  // false: it was the last one
  Error refusal(const ops::CensusPage& total, bool atLeast) const;
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
