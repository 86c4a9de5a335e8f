#pragma once

#include "common/rpc/call.h"
#include "common/runtime/blocking_pool.h"
#include "common/runtime/runtime.h"
#include "storage/cluster/peers.h"
#include "storage/cluster/trackers.h"
#include "storage/core/lease_table.h"
#include "storage/core/limits.h"
#include "storage/core/removed_replicas.h"
#include "storage/core/report_queue.h"
#include "storage/file.h"
#include "storage/options.h"
#include "storage/store/listing.h"

namespace vcfs::storage {

// The threads that touch the disk. `writes` has one, so that a file's changes keep their order; syncs and reads do not
// stand behind one another, and nobody behind what looks through many files or the whole disk (`scans`), which takes
// tens of seconds on a large cold one: heartbeats and readers go by `reads`.
struct Pools {
  std::unique_ptr<BlockingPool> writes;
  std::unique_ptr<BlockingPool> syncs;
  std::unique_ptr<BlockingPool> reads;
  std::unique_ptr<BlockingPool> scans;
  static Pools threads(asio::io_context& io);
  static Pools inlined(asio::io_context& io);  // for tests on a simulated clock
};

// What the process has done since it started; status() shows it.
struct Counters {
  std::uint64_t writes = 0, writtenBytes = 0;         // as primary
  std::uint64_t replicated = 0, replicatedBytes = 0;  // as another replica
  std::uint64_t reads = 0, readBytes = 0;
  std::uint64_t inlineWrites = 0, inlineJobs = 0, inlineReads = 0;
  std::uint64_t copied = 0, copiedBytes = 0;  // as primary, of other files' bytes
  std::uint64_t repeats = 0;                  // repeated calls that were not executed again
  std::uint64_t refusedStale = 0;             // requests of an older epoch
  std::uint64_t replicasLost = 0;             // as primary: followers given up
  std::uint64_t sealedClosed = 0, sealedRecovered = 0;
  std::uint64_t caughtUp = 0, caughtUpBytes = 0;
  std::uint64_t diskErrors = 0;
  std::uint64_t keptAfterPowerLoss = 0;  // replicas
};

// The storage server's state and its decisions carried out: what every operation in ops/ works on. Loop thread only.
// Kept alive by whoever runs one of its coroutines.
class Node : public std::enable_shared_from_this<Node> {
 public:
  Node(Runtime& runtime, Store& store, Pools pools, Options options);
  ~Node();
  void start();       // trackers, timers, recovery of what was open when the process last ended
  void abandon();     // as if the process had died: nothing more is sent or waited for
  Task<void> stop();  // gives what is under way a moment, tells trackers sizes
  bool stopping() const { return stopping_; }

  // ---- files ----
  // Calls `then` with the file once its replica was looked up, in the order of the calls per file; in this very call
  // when it is known already.
  kj::Promise<void> enter(InodeId inode, kj::Function<kj::Promise<void>(FilePtr)> then);
  FilePtr find(InodeId inode) const;                     // null when not in memory
  void forget(FilePtr file);                             // its data was removed
  void leaveActive(const std::vector<InodeId>& inodes);  // also on the writes pool's thread
  // Its replica of this epoch is removed: whoever still believes in it is sent to a tracker, not told that it is empty.
  void noteRemoved(InodeId inode, Epoch epoch) { removed_.note(inode, epoch); }
  // The disk did not delete so many replicas, first for this `reason`. Trackers ask again every second.
  void removalsFailed(std::size_t replicas, const std::string& reason);

  // ---- admission (throws what the caller is to be told) ----
  void requireRegistered() const;
  void admit(const FilePtr& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout);
  void requirePrimary(const FilePtr& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout);
  // The same, for what is to be put in order.
  void requireOrdering(const FilePtr& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout);
  void requireReadable(const FilePtr& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout);
  void admitReplication(const FilePtr& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout);

  // ---- changing a file ----
  // As primary: puts the mutation in order, starts it here and at the other replicas. Never suspends.
  OpPtr begin(FilePtr file, const Mutation& mutation, std::shared_ptr<void> keep);
  // Here only. `done` is called (maybe before this returns) when it is on this disk. mutation.data must stay valid.
  using LocalDone = std::function<void(std::optional<Error>)>;
  void applyLocal(FilePtr file, const Mutation& mutation, LocalDone done);
  // An operation that was executed before: its pending original; null when that is acknowledged.
  OpPtr findPending(File& file, ClientId client, std::uint64_t sequence);
  kj::Promise<void> localBarrier(File& file);  // what was put in order so far is on this disk (or failed)

  // ---- layouts ----
  void adopt(FilePtr file, const Layout& layout);
  void adoptNewer(FilePtr file, const Layout& layout);  // if it is this file's, and of a later epoch than is known here
  void depose(FilePtr file);
  // Ends what is under way and is not the primary any more; the other replicas that have the same bytes. Throws Error
  // (overloaded: still the primary).
  Task<std::vector<StorageId>> handOver(FilePtr file, Epoch epoch);
  // What it answered in this epoch, as long as nothing has come of it.
  std::optional<std::vector<StorageId>> handedOver(const File& file, Epoch epoch) const;
  void startCatchUp(FilePtr file);  // of a syncing replica; nothing when it is under way
  void replicaLost(FilePtr file, StorageId storage, const char* why);
  void ownReplicaFailed(FilePtr file, const Error& error);
  void failHere(FilePtr file);
  // As follower: an operation of the primary failed here.
  void followerFailed(FilePtr file, ClientId client, std::uint64_t sequence, const Error& error);
  void followerSealed(File& file, FileState state);
  // This replica is behind and shall be the only one in sync: cut to `atMost`, sealed. Throws Error.
  struct Salvage {
    Layout layout;
    std::uint64_t atMost = 0;
    std::uint64_t loss = 0;
  };
  Task<void> salvage(FilePtr file, Salvage order);
  void cutFailed(FilePtr file, bool syncFailed);
  // From now on the primary's operations may leave gaps behind what is here. Throws notInSync: it was just cut.
  void beginsToJoin(File& file) const;
  static void noteGaps(File& file, Role before, Role now);

  // ---- writers ----
  void writerSeen(File& file, ClientId client);
  // A sign of use that does not make a writer of who has closed it: a repeat, a sync.
  void writerRepeats(File& file, ClientId client);
  // The client has no handle any more. True when it was the last: the file is to be sealed.
  bool writerGone(File& file, ClientId client);
  // The same; when others have it open, those who may have to take over learn of it. By the primary, which orders.
  bool writerLeaves(FilePtr file, ClientId client);
  // The same of a close whose last write failed, which its client does not repeat.
  void writerLeavesFailed(FilePtr file, ClientId client);
  // Somebody but `client` has it open for writing.
  bool othersWrite(const File& file, ClientId client) const;
  // It has no writer any more and is to be sealed soon, unless somebody opens it.
  void sealLater(File& file);
  FileState sealState(const File& file) const;
  Mutation sealMutation(File& file, FileState state);
  void clientAlive(ClientId client) { leases_.renew(client, runtime.clock.now()); }

  // Of this machine, or the primary's: what that may lack after a loss of power is what all may lack.
  void learnPowerLoss(File& file, std::uint64_t loss) const { file.setPowerLoss(loss, store.powerLosses()); }

  void touch(File& file, const Mutation& mutation);  // mtime, changeId, what catch-up must leave alone
  static void noteClient(File& file, const Mutation& mutation);
  void fillInfo(schema::FileInfo::Builder info, File& file);
  schema::Standing standing(const File& file) const;
  // When no report of this file to a tracker is under way any more (at most 2 s).
  kj::Promise<void> reportArrived(InodeId inode);
  std::string statusJson();
  StorageId self() const { return trackers->storageId(); }

  Runtime& runtime;
  Store& store;
  Pools pools;
  const Options options;
  Counters counters;
  Listing listing;  // of the scans pool's thread
  std::unique_ptr<Peers> peers;
  std::unique_ptr<Trackers> trackers;
  LeaseTable& leases() { return leases_; }

 private:
  friend class CatchUp;
  // node.cpp
  void run(const char* what, Task<void> loop);
  Task<void> counted(Task<void> loop);
  // Rounds until the server stops. One that fails is logged, and followed by the next: each of these loops looks after
  // all files.
  using Round = Task<void> (Node::*)();
  Task<void> repeat(const char* what, Round round);
  Task<void> pause(Duration duration);  // shorter when the server stops
  Task<void> tick();                    // a round of: leases, eviction, hung peers
  Task<Heartbeat> heartbeat();
  Task<void> keepIdentity(StorageId id, std::string cluster, std::string uuid);
  Task<bool> diskIsEmpty();
  // files.cpp
  void load(FilePtr file);
  void loaded(FilePtr file, std::optional<LoadedReplica> replica, std::optional<Error> error);
  bool isSuspect(const File& file) const;
  std::uint64_t ownPowerLoss() const;
  void evict();
  bool mayForget(const File& file) const;
  // ops/writers.cpp
  void sealAbandoned(TimePoint now);  // whose writers' leases are over
  void sealVanished(FilePtr file);
  // cluster/reports.cpp
  Task<void> report();  // a round of: sizes and closings
  Task<bool> tellDue(std::vector<InodeId> due);
  Task<void> waitReported(InodeId inode);
  void noteReport(const File& file) { reports_.noteOpen(file.inode); }
  void noteClosing(const File& file);
  std::vector<SizeReport> makeReports(const std::vector<InodeId>& due);
  std::vector<InodeId> addResent(std::vector<SizeReport>& reports);
  Task<void> reportBatch(std::vector<SizeReport> reports);
  Task<void> settleClosings();  // a round of: closings that were heard are brought onto the catalog's disk
  void tellClosingsAgain();
  // hardening.cpp
  Task<void> hardenSealed();  // a round of: sealed files onto stable storage, off the active list
  struct Hardened {
    std::map<InodeId, Error> failures;
    std::optional<std::vector<InodeId>> doubtful;  // the sync of the whole filesystem failed: they were active then
  };
  // `job` on the thread that syncs. What comes of it is noted on the loop before anybody who stood behind it is
  // answered; then this resumes.
  Task<void> syncInOrder(std::function<void()> job, std::function<void()> noted);
  Task<void> hardenBatch(std::vector<InodeId> batch);
  Hardened harden(const std::vector<InodeId>& inodes);
  void hardened(const std::vector<InodeId>& inodes, const Hardened& outcome);
  // ops/forward.cpp
  struct Sent;  // what an answer needs to find its way back
  void forward(FilePtr file, const OpPtr& op);
  void sendTo(const Sent& to, const OpPtr& op, PeerSession* session);
  void replicaAnswered(const Sent& sent, Errc code);
  void probe(FilePtr file, StorageId storage);
  void probeAgain(FilePtr file, StorageId storage);
  void tellClients(FilePtr file, StorageId storage);
  void sendAlone(FilePtr file, StorageId storage, Mutation::Kind kind);
  // ops/mutate.cpp
  void localAnswered(FilePtr file, const OpPtr& op, std::optional<Error> error);
  void settle(FilePtr file, const OpPtr& op);
  void settleRefused(FilePtr file);
  bool othersInSync(const File& file) const;
  void undone(FilePtr file, const OpPtr& op, const Error& error);
  void complete(FilePtr file, AckTracker::Ticket ticket, std::optional<Error> error);
  void sealedNow(FilePtr file, const Mutation& mutation);
  // ops/hand_over.cpp
  Task<void> finishPending(FilePtr file);
  void giveUpHandedOver(TimePoint now);
  // ops/layouts.cpp
  void rebuildSlots(FilePtr file, bool skipped);
  void endEpoch(FilePtr file);
  void takeOver(FilePtr file);
  void tellReplaced(FilePtr file, const std::vector<Replica>& before);
  void expectWriters(File& file);
  void settleUncertain(FilePtr file);
  void applyHeldSeal(FilePtr file);
  void stepDown(FilePtr file, const Error& reason);
  void persistMeta(FilePtr file);
  void peerLost(const std::string& address);
  Task<void> reportFailures();  // a round of: lost replicas are told to a tracker
  std::vector<LostReplica> dueFailures();
  void applyFailureAnswer(const LostReplica& asked, const Layout& layout);
  void kept(FilePtr file);
  void goOn(FilePtr file);
  // cluster/recovery.cpp
  Task<void> recover();
  Task<void> scanDisk();
  Task<void> scanDiskFirst();
  Task<void> mayRegister();
  void checkSuspect(FilePtr file);
  Task<void> findMissing();
  void reportMissing(FilePtr file, const Layout& layout);
  bool mayLackFiles() const { return !recovered_ && !store.machineStayedUp(); }
  void suspectsSettled();
  Task<void> takeStale();
  Task<void> lookForStale();  // a round of: what the catalog knows to be out of sync here
  Task<Errc> catchUpOnce(FilePtr file);
  Task<bool> learnLayout(FilePtr file);
  Task<void> catchUpFile(FilePtr file);
  Task<void> catchUpLater(FilePtr file);
  void endCatchUp(File& file);
  void catchUpNext();

  struct LocalJob;
  void runInline(FilePtr file, const Mutation& mutation, LocalDone done);
  bool mayRunInline(const File& file, const Mutation& mutation) const;
  bool mayRunOnLoop(const File& file, const Mutation& mutation, bool cuts) const;
  void runOnLoop(FilePtr file, std::function<void()> job, std::function<void()> done);
  void submitLocal(FilePtr file, bool onLoop, std::function<void()> job, std::function<void()> done);
  void localFinished(FilePtr file);
  void settleEnd(File& file);
  void distrustOwn(FilePtr file, const Error& error);
  void markUnstable(FilePtr file);
  void hardenFailed(FilePtr file, const Error& error);

  std::unordered_map<InodeId, FilePtr> files_;
  RemovedReplicas removed_;
  LeaseTable leases_;
  std::map<InodeId, TimePoint> orphans_;  // open files without a known writer, and until when they are waited for
  std::set<std::pair<InodeId, StorageId>> failures_;  // to be told to a tracker
  struct HandedOver {
    Epoch epoch = 0;
    std::vector<StorageId> equal;
    TimePoint until;  // a newer layout is waited for
  };
  std::map<InodeId, HandedOver> handedOver_;
  std::uint64_t incarnations_ = 0;
  ReportQueue reports_;
  std::int64_t reportOrder_ = 0;  // of the last report that was sent
  unsigned hardenRounds_ = 0;
  std::set<InodeId> hardening_;    // sealed, to be brought onto stable storage
  std::set<InodeId> unsure_;       // a failed sync of the filesystem may have been about them: each by itself
  std::set<InodeId> suspects_;     // open when the process last ended and not yet checked
  std::optional<InodeId> newest_;  // no replica of a higher id is on the disk; nothing: not known yet
  InodeId newestMade_ = 0;         // the highest id made here since the start; it may have left memory again
  TimePoint slowUntil_;
  TimePoint nextRemovalsFailed_;  // is logged
  TimePoint lastSizes_;
  std::int64_t catchingUp_ = 0;
  std::deque<FilePtr> catchUpQueue_;
  std::uint64_t loadBytes_ = 0;  // since the last heartbeat
  std::size_t running_ = 0;      // coroutines that stop() waits for
  Signal stopSignal_;
  Signal failureSignal_;
  Signal reportDone_;
  Signal reportSignal_;
  Signal catchUpSignal_;
  Signal lookedThroughSignal_;
  bool lookedThrough_ = false;  // the disk, as far as it can be read
  bool recovered_ = false;      // after a restart: the catalog told what this server missed
  bool stopping_ = false;
};
using NodePtr = std::shared_ptr<Node>;

}  // namespace vcfs::storage
