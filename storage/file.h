#pragma once

#include <kj/async.h>
#include <kj/function.h>

#include "common/async/signal.h"
#include "storage/core/ack_tracker.h"
#include "storage/core/mutation.h"
#include "storage/core/range_set.h"
#include "storage/core/refused_writes.h"
#include "storage/core/replica_fence.h"
#include "storage/core/sequence_table.h"
#include "storage/store/store.h"

namespace vcfs::storage {

struct Session;

// An operation of this primary that is not acknowledged yet.
struct PendingOp {
  AckTracker::Ticket ticket = 0;
  Mutation mutation;  // `data` is valid while `keep` is
  std::shared_ptr<void> keep;
  bool overwrites = false;    // it touches bytes that were there before it
  bool reopens = false;       // a sealed file: replicas answer when their lists of active files are on their disks
  bool localRefused = false;  // by the disk, which is well
  bool localDone = false;
  std::optional<Error> localError;
  std::vector<StorageId> refusedAt;  // replicas whose disks refused it, too
  bool done = false;
  std::optional<Error> error;  // with done
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> waiting;

  // Ends (never fails) when `done`.
  kj::Promise<void> wait();
  void finish(std::optional<Error> outcome);
};
using OpPtr = std::shared_ptr<PendingOp>;

// Another replica of a file, as its primary sees it.
struct ReplicaSlot {
  StorageId storage = 0;
  std::uint64_t incarnation = 0;  // tells answers to an earlier slot of the same storage apart
  std::string address;
  bool syncing = false;
  bool joined = false;                // syncing only: it answered a probe; every later operation is sent and waited for
  AckTracker::Ticket unsentUpTo = 0;  // syncing only: of what was undecided when it joined, it is sent nothing
  bool failed = false;                // lost: nothing is sent any more, the tracker is being told
  Epoch layoutSent = 0;               // over session `session`
  std::uint64_t session = 0;
};

// One replica of this disk, in memory. Loop thread only.
struct File {
  File(asio::io_context& io, InodeId id) : inode(id), replica(id), changed(io) {}

  const InodeId inode;
  ReplicaFence replica;
  std::optional<Error> broken;  // it cannot be read from the disk: every request gets this

  // Until the replica was looked up on the disk, requests stand in line here, in order.
  bool ready = false;
  std::vector<kj::Function<void()>> line;

  std::shared_ptr<ReplicaFile> disk;
  const std::shared_ptr<RefusedWrites> refused = std::make_shared<RefusedWrites>();
  bool lacks = false;            // in sync: a change was refused here, which others may have taken
  bool preexisting = false;      // it was there when this process started
  std::optional<Error> notMade;  // why its creation failed, for what was queued behind that
  bool onDisk = false;           // as of the end of the local queue, like meta and localEnd
  ReplicaMeta meta;
  bool metaChanged = false;  // to be written by the next local job
  std::uint64_t localEnd = 0;
  bool endDoubtful = false;     // a job failed: localEnd is asked of the disk when the queue is through
  std::size_t localQueued = 0;  // local jobs under way
  std::size_t loopJobs = 0;     // of these, those the loop will do itself

  FileState state = FileState::open;  // as readers see it
  std::int64_t mtimeNs = 0;
  std::int64_t takenOverNs = 0;  // primary: mtimes up to then may stand for contents that are not known here
  std::uint64_t blocks = 0;
  std::uint64_t changeId = 0;
  bool writerVanished = false;
  bool writerClosed = false;  // since this server is the primary
  bool removed = false;
  bool settling = false;  // it took over while writes were on their way to its disk
  int takeOvers = 0;      // that had to settle
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> whenSettled;  // in the order in which they came

  SequenceTable sequences;
  AckTracker acks;                              // primary
  bool uncertain = false;                       // it was deposed with operations under way
  bool handingOver = false;                     // primary: nothing new is begun
  std::map<AckTracker::Ticket, OpPtr> pending;  // primary
  std::vector<ReplicaSlot> slots;               // primary
  bool reportDue = false;                       // its size is to be told to a tracker

  RangeSet live;                      // syncing: what live writes covered since it joined
  std::uint64_t liveEnd = 0;          // the furthest end of these writes
  std::uint64_t reshaped = 0;         // truncates and allocations executed while syncing
  bool catchingUp = false;            // under way, or in line for it
  Duration catchUpPause{};            // after the last pass that came to nothing
  std::uint64_t probes = 0;           // of a primary that lets this replica join
  std::uint64_t clientsOf = 0;        // of these, the one after which the primary told what it knows of clients
  std::uint64_t replicatedOps = 0;    // operations executed for a primary
  std::optional<Mutation> heldSeal;   // syncing: how it is to be sealed once it is in sync
  bool syncsCount = false;            // syncing: what its primary syncs must be on this disk, as if it were in sync
  Epoch caughtUpIn = 0;               // syncing: the last epoch in which a tracker was told that it has everything
  TimePoint caughtUpTold{};           // when, the last time
  std::uint64_t salvages = 0;         // how often it was cut behind the back of a pass
  std::optional<TimePoint> cutAt;     // the same: its primary has to let it join anew
  Epoch cutIn = 0;                    // in which epoch
  std::weak_ptr<Session> joinedOver;  // syncing: the primary's connection, on which its operations come
  std::uint64_t syncFailures = 0;     // since this process started
  std::uint64_t bytesToGo = 0;

  Signal changed;  // published size or state
  TimePoint lastUsed;

  ReplicaSlot* slot(StorageId storage);
  // An operation that changes bytes and is not decided yet; the newest, null when there is none.
  OpPtr undecided() const;
  // A seal is being decided that was not sent to `slot`, and that nobody who asks is told of yet.
  bool sealsWithout(const ReplicaSlot& slot) const;
  // The end of what may be read here.
  std::uint64_t readableEnd() const;
  bool sealed() const { return state == FileState::closed || state == FileState::recovered; }
  // After a failed sync nothing makes it good but another replica: until then no sync succeeds here.
  bool unstable() const { return meta.unstable; }
  // Tells writers (and, from the primary, the other replicas) of a loss of power; `losses`: of this machine, so far.
  void setPowerLoss(std::uint64_t loss, std::uint64_t losses);
  bool busy() const {
    return unstable() || !ready || !pending.empty() || localQueued != 0 || catchingUp || changed.hasWaiters() ||
           !line.empty();
  }
};
using FilePtr = std::shared_ptr<File>;

// What a request is told that comes for a replica that was removed: a tracker knows where the file lives, if it does.
inline Error replicaRemoved() { return Error(Errc::staleEpoch, "this server's replica was removed"); }

// The same to a primary that counts on it: it reports the replica as lost, and the answer is a newer layout, which may
// have been there for long. By `staleEpoch` it would be deposed, and could not go on in an epoch that nobody raises.
inline Error removedFollower() { return Error(Errc::notInSync, "this server's replica was removed"); }

}  // namespace vcfs::storage
