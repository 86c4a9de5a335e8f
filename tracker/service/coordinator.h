#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>

#include "common/async/signal.h"
#include "tracker/service/evacuation.h"
#include "tracker/service/tracker_core.h"

namespace vcfs::tracker {

// Drives what one tracker must drive while it has the coordinator's lease: the trash, removals on storage servers,
// files left open, files with too few replicas, servers that leave, old request ids. Nothing in the foreground waits
// for it. Each of its transactions checks the lease's term, so that a coordinator that was replaced changes nothing.
class Coordinator : public std::enable_shared_from_this<Coordinator> {
 public:
  explicit Coordinator(std::shared_ptr<TrackerCore> core);
  void start();
  void stop();
  void nudge();  // there may be something to do at once (a server came)
  bool holdsLease() const;

 private:
  Task<void> keepLease();
  Task<void> watchClock();  // for the map of servers, and for locks: whether this process stood still
  Task<void> renew();
  Task<void> work();
  Task<void> round();
  Task<void> reclaim();
  Task<void> reclaimEarly();
  bool couldBePinned(TimePoint now);  // for long enough: what is open anywhere
  Task<void> reclaimEarlyOn(StorageId storage);
  void removeFromServers();
  Task<void> tryRemoveFrom(StorageId storage);
  Task<void> removeFrom(StorageId storage);
  Task<bool> removeBatch(StorageId storage);
  std::vector<StorageId> liveServers() const;
  Task<void> completeFiles();
  Task<void> completePage();
  Task<void> dropReserves();
  Task<void> dropReservesOf(StorageId storage);
  Task<void> sealLeftOpen();
  Task<void> sealOne(ops::OpenFile file);
  Task<void> forget();
  ops::Fence fence() const;
  // Files whose replicas were changed a moment ago: a server that drops out again at once does not make the epochs
  // race.
  bool resting(InodeId inode) const;
  void triedAgain(InodeId inode);

  std::shared_ptr<TrackerCore> core_;
  Evacuation evacuation_;
  Signal wake_;
  std::set<StorageId> removing_;              // servers that are being asked to delete
  std::map<StorageId, InodeId> removedUpTo_;  // how far each was asked
  LeaseWatch watch_;
  TimePoint heldUntil_;
  TimePoint nextSeal_;
  TimePoint nextForget_;
  TimePoint nextReserves_;
  std::int64_t forgotten_ = ops::Forgotten().last;  // requests of which clients were looked through
  struct Lacking {
    InodeId after = 0;
    bool changed = false;  // anything since it began at the start
    TimePoint notBefore;
  };
  Lacking lacking_;                        // how far files with too few replicas were looked through
  std::map<StorageId, InodeId> reserves_;  // how far each server's were looked through
  struct EarlySearch {
    ops::TrashPlace place;
    bool found = false;  // anything since it began at the start
    TimePoint notBefore;
  };
  std::map<StorageId, EarlySearch> early_;
  std::optional<std::uint64_t> earlyTerm_;  // in which this coordinator found itself
  TimePoint earlyFrom_;
  std::int64_t earlyWallAhead_ = 0;  // of the steady clock
  struct Attempt {
    TimePoint notBefore;
    Duration pause{};
  };
  std::map<InodeId, Attempt> attempts_;
  bool stopped_ = false;
};

}  // namespace vcfs::tracker
