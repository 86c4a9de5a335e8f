#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tracker/catalog/sql.h"
#include "tracker/core/failover.h"
#include "tracker/core/lease.h"
#include "tracker/core/placement.h"
#include "tracker/core/salvage.h"
#include "tracker/ops/rows.h"
#include "vcfs/types.h"

// The operations on the catalog, one per .cpp file. Each runs inside one transaction, may be run again from the start,
// knows nothing of RPC or the loop, and gets everything it needs (time, fresh ids, the picture of the servers) as
// values. schema/tracker.capnp says what each means to clients and which errors it answers with.
namespace vcfs::tracker::ops {

// What every change of the namespace is given.
struct Occasion {
  std::int64_t now = 0;  // nanoseconds since the Unix epoch
  Request request;
  std::uint64_t freshId = 0;  // unused so far: for a new inode or a new name's cookie
  std::shared_ptr<const PlacementView> view;
  TrashRules trash;
};

// What a change of the namespace answers, and what others have to be told.
struct Outcome {
  Entry entry;
  std::optional<Entry> replaced;
  bool created = false;
  std::vector<Change> changes;
};

// ---- names: reading
Task<std::optional<Entry>> lookup(SqlTx& tx, InodeId parent, std::string name);
Task<Entry> getAttr(SqlTx& tx, InodeId inode);
Task<std::optional<Entry>> resolve(SqlTx& tx, InodeId base, std::string path, bool follow);
Task<DirPage> readDir(SqlTx& tx, InodeId directory, std::uint64_t after, std::uint32_t limit, bool layouts);
Task<std::string> readLink(SqlTx& tx, InodeId inode);
Task<InodeId> parentOf(SqlTx& tx, InodeId inode);
// Of a file its own, of a directory that of the user it belongs to; empty: of none (the root, a new user, a link).
Task<std::string> groupOf(SqlTx& tx, InodeId inode);
Task<std::uint32_t> copiesOf(SqlTx& tx, std::string group, std::uint32_t otherwise);

// ---- names: changing
struct CreateParams {
  InodeId parent = 0;
  std::string name;
  FileType type = FileType::regular;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  bool exclusive = false;
  std::string symlinkTarget;
  std::uint64_t rdev = 0;
  std::uint32_t umask = 0;  // taken from the mode where the parent has no default ACL
};
Task<Outcome> create(SqlTx& tx, CreateParams params, Occasion occasion);
Task<Outcome> mkdir(SqlTx& tx, CreateParams params, Occasion occasion);
Task<Outcome> unlink(SqlTx& tx, InodeId parent, std::string name, Occasion occasion);
Task<Outcome> rmdir(SqlTx& tx, InodeId parent, std::string name, Occasion occasion);
struct RenameParams {
  InodeId parent = 0;
  std::string name;
  InodeId newParent = 0;
  std::string newName;
  std::uint32_t flags = 0;
};
inline constexpr std::uint32_t kRenameNoReplace = 1;
inline constexpr std::uint32_t kRenameExchange = 2;
Task<Outcome> rename(SqlTx& tx, RenameParams params, Occasion occasion);
Task<Outcome> link(SqlTx& tx, InodeId inode, InodeId newParent, std::string newName, Occasion occasion);
struct SetAttrParams {
  std::uint32_t mask = 0;  // bits of schema SetAttr.mask
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t atimeNs = 0;
  std::int64_t mtimeNs = 0;
  std::int64_t ctimeNs = 0;
};
Task<Outcome> setAttr(SqlTx& tx, InodeId inode, SetAttrParams params, Occasion occasion);
// atime of what was read, as Tracker.noteReads says.
Task<bool> noteReads(SqlTx& tx, std::vector<ReadTime> reads);
Task<Outcome> openForWrite(SqlTx& tx, InodeId inode, ClientId client, Occasion occasion);

// ---- extended attributes
Task<std::string> getXattr(SqlTx& tx, InodeId inode, std::string name);  // throws noAttribute
Task<std::vector<std::string>> listXattr(SqlTx& tx, InodeId inode);
struct SetXattrParams {
  std::string name;
  std::string value;
  std::uint32_t flags = 0;  // 1 XATTR_CREATE, 2 XATTR_REPLACE, 4 drop setgid (access ACL)
  std::uint32_t mode = 0;   // 0, or permission bits | 0x80000000
};
Task<Outcome> setXattr(SqlTx& tx, InodeId inode, SetXattrParams params, Occasion occasion);
Task<Outcome> removeXattr(SqlTx& tx, InodeId inode, std::string name, Occasion occasion);
// Without checks, request and times: for create and chmod.
Task<std::optional<std::string>> findXattr(SqlTx& tx, InodeId inode, std::string name);
void putXattr(SqlTx& tx, InodeId inode, const std::string& name, const std::string& value);

// ---- advisory locks. They are rows of the catalog; a client's are its own as long as it renews its lease, after that
// until somebody else wants what they exclude.
struct LockRules {
  std::int64_t now = 0;
  std::int64_t leaseNs = 0;
  bool forgive = false;  // this tracker could not hear of renewals for a while: nobody's lease is over
};
struct LockOutcome {
  std::optional<FileLock> conflict;  // in the way: the lock was not taken
  bool deadlock = false;             // and its holder waits for the caller
  bool gaveUp = false;               // others may be able to take now what they could not before
};
Task<std::optional<FileLock>> getLock(SqlTx& tx, InodeId inode, FileLock lock, LockRules rules);
Task<LockOutcome> setLock(SqlTx& tx, InodeId inode, FileLock lock, std::uint64_t session, bool wait, LockRules rules);
Task<std::uint64_t> renewLocks(SqlTx& tx, ClientId client, std::uint64_t session, LockRules rules);
Task<bool> cancelLock(SqlTx& tx, InodeId inode, FileLock lock);

// ---- repeated requests
enum class RequestOp {
  create = 1,
  mkdir,
  unlink,
  rmdir,
  rename,
  link,
  setAttr,
  openForWrite,
  setXattr,
  removeXattr,
  assignUser,
  setGroup,
  removeStorage
};
// Part of the same transaction as the change. Throws exists when the request was committed before.
void recordRequest(SqlTx& tx, Request request, RequestOp op, const Outcome& outcome, std::int64_t now);
// What the request answered when it was committed, with present attributes; nullopt: it never was.
Task<std::optional<Outcome>> findRequest(SqlTx& tx, Request request, RequestOp op);
// A name that a request makes, changes or takes away.
struct NameAt {
  InodeId parent = 0;
  std::string name;
};
// What others have to be told of a request that is answered by findRequest(): as much as when it was carried out, which
// they may not have been told then. `names`: all that it was about.
std::vector<Change> changesAgain(const Outcome& outcome, const std::vector<NameAt>& names);

// ---- failures and sizes
struct FailedReplica {
  InodeId inode = 0;
  Epoch epoch = 0;
  StorageId storage = 0;
  bool unasked = false;  // the reporter could not look its name up: see isMissed()
};
struct LayoutChange {
  Layout layout;                   // present; inode 0: no such file
  bool changed = false;            // by this call
  std::vector<StorageId> dropped;  // servers that shall delete their replica
  bool mayHandOver = false;        // evacuate(): only the primary's consent is missing
  std::vector<StorageId> heirs;    // reportFailure(): they are to be asked for their standings before
  bool unheard = false;            // of those none could be reached from here, so nothing changed
};
// `reporter`: the storage server that says so; 0: a client. `asked`: the standings of those who were named as heirs.
Task<std::vector<LayoutChange>> reportFailure(SqlTx& tx, std::vector<FailedReplica> failed, StorageId reporter,
                                              Occasion occasion, std::map<InodeId, Standings> asked = {});
struct FileReport {
  InodeId inode = 0;
  Epoch epoch = 0;
  std::uint64_t size = 0;
  std::int64_t mtimeNs = 0;
  std::uint64_t blocks = 0;
  FileState state = FileState::none;
  std::int64_t order = 0;  // of one epoch one with a lower order was overtaken; 0: mtimeNs stands in
};
struct FilesReported {
  std::vector<Change> changes;
  std::vector<Layout> newer;  // of files whose report was ignored because its epoch is over
};
Task<FilesReported> reportFiles(SqlTx& tx, StorageId storage, std::vector<FileReport> reports, Occasion occasion);
Task<LayoutChange> caughtUp(SqlTx& tx, StorageId storage, InodeId inode, Epoch epoch, Occasion occasion);
struct LayoutPage {
  std::vector<LayoutChange> layouts;
  InodeId last = 0;  // the next page begins after it
  bool more = false;
};
Task<LayoutPage> staleReplicas(SqlTx& tx, StorageId storage, InodeId after, std::uint32_t limit, Occasion occasion);
// Files of which `storage` has an in-sync replica. Nothing is changed.
Task<LayoutPage> replicasHere(SqlTx& tx, StorageId storage, InodeId after, std::uint32_t limit);
Task<bool> pin(SqlTx& tx, std::vector<InodeId> inodes, ClientId client, std::int64_t expires);

// ---- servers, groups, users
struct StorageRow {
  StorageId id = 0;
  std::string name;
  std::string group;
  std::string zone;
  std::string address;
  std::string dataDirectory;
  bool draining = false;
  std::int64_t awaySinceNs = 0;
};
struct Disk {
  StorageId previous = 0;  // the id that it remembers; 0: none
  bool empty = false;      // there is no replica on it
  bool isNew() const { return previous == 0 && empty; }
};
// Throws invalid: it is not the disk of the server of that name.
Task<StorageId> registerStorage(SqlTx& tx, StorageRow row, std::uint32_t defaultCopies, Disk disk);
Task<std::vector<StorageRow>> listStorages(SqlTx& tx);
Task<bool> setDraining(SqlTx& tx, StorageId storage, bool draining);
Task<bool> setAwaySince(SqlTx& tx, StorageId storage, std::int64_t since);
// Throws notEmpty while it has a replica, unavailable when it has come back. Its id is never given to another one.
Task<Outcome> removeStorage(SqlTx& tx, StorageId storage, Occasion occasion);
struct GroupRow {
  std::string name;
  std::uint32_t copies = 0;
};
Task<std::vector<GroupRow>> listGroups(SqlTx& tx);
struct UserRow {
  std::string name;
  std::string group;
};
Task<std::vector<UserRow>> listUsers(SqlTx& tx);
Task<Outcome> assignUser(SqlTx& tx, std::string user, std::string group, Occasion occasion);
Task<Outcome> setGroup(SqlTx& tx, std::string group, std::uint32_t copies, Occasion occasion);
// The group (and its copies) in which new files of `user` go; a new user is given one.
Task<GroupRow> groupForUser(SqlTx& tx, std::string user, std::shared_ptr<const PlacementView> view);
struct Counts {
  std::uint64_t live = 0;      // files in state open
  std::uint64_t degraded = 0;  // files with fewer in-sync replicas than wanted
};
// A page of what is to be copied: files that lack replicas (storage 0), or files with an in-sync replica on a server.
struct CensusPage {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;       // of the copies to be made
  std::uint64_t onlyHere = 0;    // files whose only in-sync replica it is
  std::uint64_t othersAway = 0;  // files that have others in sync, all of them on servers that are away
  std::uint64_t counted = 0;     // files that have no other away server with a lower id: each is counted once
  std::uint64_t countedBytes = 0;
  std::string example;  // of onlyHere: a path at creation
  InodeId last = 0;
  bool more = false;
};
Task<CensusPage> census(SqlTx& tx, StorageId storage, InodeId after, std::uint32_t limit);
// As far as `limit`: replicas that it has still to delete; those that are syncing or stale.
Task<std::uint64_t> countRemovals(SqlTx& tx, StorageId storage, std::uint32_t limit);
Task<std::uint64_t> countBehind(SqlTx& tx, StorageId storage, std::uint32_t limit);

// ---- for fsck
struct AuditFile {
  Attr attr;
  Layout layout;       // inode 0: no regular file
  InodeId parent = 0;  // of directories
  std::uint32_t copies = 0;
  bool trashed = false;
  std::vector<StorageId> removals;  // servers that have still to delete a replica
};
struct AuditOrphan {
  const char* table = "";
  InodeId inode = 0;
};
struct AuditPage {
  std::vector<AuditFile> files;
  std::vector<AuditOrphan> orphans;
  bool more = false;
};
Task<AuditPage> auditFiles(SqlTx& tx, InodeId after, std::uint32_t limit);
// A file that is gone is there (with type none) as long as a server has still to delete its replica.
Task<AuditPage> auditInodes(SqlTx& tx, std::vector<InodeId> inodes);
struct AuditName {
  InodeId parent = 0;
  std::string name;
  InodeId inode = 0;
  FileType type = FileType::none;
  FileType inodeType = FileType::none;
  FileType parentType = FileType::none;
  InodeId inodeParent = 0;
};
struct NamesPage {
  std::vector<AuditName> names;
  bool more = false;
};
Task<NamesPage> auditNames(SqlTx& tx, InodeId parent, std::string name, std::uint32_t limit);
Task<std::vector<std::string>> pathsOf(SqlTx& tx, std::vector<InodeId> directories);
Task<Counts> countFiles(SqlTx& tx);
// Inodes of every kind, `after` < inode <= `top`: up to `limit` of them, the last of which is `last`.
struct InodesCounted {
  std::uint64_t inodes = 0;
  InodeId last = 0;
};
Task<InodesCounted> countInodes(SqlTx& tx, InodeId after, InodeId top, std::uint32_t limit);
Task<InodeId> highestInode(SqlTx& tx);
Task<InodeRow> fileInfo(SqlTx& tx, InodeId inode);

// ---- the coordinator's work. `term` fences: throws notPrimary when the lease has changed hands since.
struct Fence {
  std::string holder;
  std::int64_t term = 0;
};
Task<Lease> renewLease(SqlTx& tx, std::string self, std::string candidate, SeenLease seen, std::int64_t wallNs,
                       LeaseRules rules);
Task<Lease> readLease(SqlTx& tx);

// ---- the lease of a tracker that is the only one (service/sole_lease.h), a row that may be absent
struct SoleRow {
  std::string holder;     // a tracker's incarnation; empty: it was revoked
  std::int64_t term = 0;  // raised by every change and renewal
};
Task<std::optional<SoleRow>> findSole(SqlTx& tx);
Task<bool> renewSole(SqlTx& tx, std::string holder);  // false: it is not that holder's (any more)
// False: it is not as `present` says any more. Throws exists: it was absent, and somebody else was quicker.
Task<bool> takeSole(SqlTx& tx, std::string holder, std::optional<SoleRow> present);
Task<bool> revokeSole(SqlTx& tx, SoleRow other);
Task<bool> forgetSole(SqlTx& tx, std::int64_t term);  // of a revoked one, unless something happened since
Task<void> checkFence(SqlTx& tx, const Fence& fence);
// After checkFence(), once, where the transaction changes something: so that it excludes a successor at another node.
void relyOnFence(SqlTx& tx);
struct Reclaimed {
  std::uint32_t inodes = 0;
  bool more = false;
};
Task<Reclaimed> reclaimTrash(SqlTx& tx, Fence fence, std::int64_t now, std::uint32_t limit);
// The same before its time, of what a server that has no room left keeps: the oldest first. Looks through a part of the
// trash behind `after`, and is to go on at `last` while there is `more`; reclaimEarly() takes what is still so.
struct TrashPlace {
  std::int64_t due = 0;
  InodeId inode = 0;
};
struct EarlyTrash {
  std::vector<InodeId> inodes;
  TrashPlace last;
  bool more = false;
};
Task<EarlyTrash> findEarly(SqlTx& tx, StorageId storage, TrashPlace after, std::int64_t now, TrashRules rules,
                           std::uint32_t limit);
Task<Reclaimed> reclaimEarly(SqlTx& tx, Fence fence, std::vector<InodeId> inodes, std::int64_t now);
// What servers get back when data files of the trash behind `after` are due: of those that nobody has pinned at `now`,
// and that are not being recorded. Looks at up to `limit` inodes, and is to go on at `last`.
struct TrashedReplica {
  std::int64_t dueNs = 0;
  InodeId inode = 0;
  StorageId storage = 0;
  std::uint64_t bytes = 0;
};
struct TrashSpacePage {
  std::vector<TrashedReplica> replicas;
  TrashPlace last;
  bool more = false;
};
Task<TrashSpacePage> trashSpace(SqlTx& tx, TrashPlace after, std::int64_t now, std::uint32_t limit);
// A replica that its server is to delete, if it is of this epoch or an older one: as long as the removal stands the
// server gets no new replica of the file, and one that it gets later is of a newer epoch.
struct Removal {
  InodeId inode = 0;
  Epoch upTo = std::numeric_limits<Epoch>::max();  // the file is reclaimed
};
Task<std::vector<Removal>> listRemovals(SqlTx& tx, StorageId storage, InodeId after, std::uint32_t limit);
Task<bool> removalsDone(SqlTx& tx, Fence fence, StorageId storage, std::vector<InodeId> inodes);
struct OpenFile {
  Layout layout;
  ClientId opener = 0;
  std::int64_t openedAtNs = 0;
};
Task<std::vector<OpenFile>> listOpenFiles(SqlTx& tx, std::int64_t openedBefore, std::int64_t after,
                                          std::uint32_t limit);
struct Seal {
  InodeId inode = 0;
  Epoch epoch = 0;
  std::uint64_t size = 0;
  std::int64_t mtimeNs = 0;
  std::uint64_t blocks = 0;
  FileState state = FileState::recovered;
  std::int64_t openedAtNs = 0;  // only if nobody opened it since
};
Task<std::vector<Change>> sealFile(SqlTx& tx, Fence fence, Seal seal, std::int64_t now);
struct InodePage {
  std::vector<InodeId> inodes;
  InodeId last = 0;  // the next page begins after it
  bool more = false;
};
// Of the files after `after` that lack replicas those that by the look of it can be given one now, up to `limit` of
// them: it looks at no more than twice as many.
Task<InodePage> listLacking(SqlTx& tx, InodeId after, std::uint32_t limit, std::shared_ptr<const PlacementView> view);
// Gives these files the replicas that they lack and that there is a place for. Only what was changed is in the page.
Task<LayoutPage> completeFiles(SqlTx& tx, Fence fence, std::vector<InodeId> inodes, Occasion occasion);
// Stale replicas on a server, of files that lack none, after `after`: of `limit` that are behind there.
Task<InodePage> listReserves(SqlTx& tx, StorageId storage, InodeId after, std::uint32_t limit);
// Drops those of these files' replicas that are kept in reserve and needed no more.
Task<LayoutPage> dropReserves(SqlTx& tx, Fence fence, std::vector<InodeId> inodes, Occasion occasion);
// Moves replicas away from `storage`, of files after `after`: those that are `behind` (syncing or stale), or those in
// sync. `gone`: it has been away for long, only what can be made elsewhere is given up. At most `limit` files.
struct Evacuee {
  StorageId storage = 0;
  bool behind = false;
  bool gone = false;
};
Task<LayoutPage> evacuate(SqlTx& tx, Fence fence, Evacuee from, InodeId after, std::uint32_t limit, Occasion occasion);
// The primary of `epoch` has stopped serving, and says who has the same bytes. The epoch is raised in any case, so that
// it goes on if they are too few.
Task<LayoutChange> handOver(SqlTx& tx, Fence fence, InodeId inode, Epoch epoch, std::vector<StorageId> equal,
                            Occasion occasion);
// Replicas being made on the server now, as far as `limit`.
Task<std::uint64_t> countSyncing(SqlTx& tx, StorageId storage, std::uint32_t limit);
// Gives up replicas that are behind on a server that is removed; false: there are no more.
Task<LayoutPage> dropBehind(SqlTx& tx, StorageId storage, std::uint32_t limit, Occasion occasion);
// Files with an in-sync replica on `storage`. Nothing is changed.
struct FilesPage {
  std::vector<InodeRow> files;
  InodeId last = 0;
  bool more = false;
};
Task<FilesPage> filesOn(SqlTx& tx, StorageId storage, InodeId after, std::uint32_t limit);
// What becomes of a file whose only in-sync replica is on a server that is gone for good.
struct Loss {
  InodeId inode = 0;
  Epoch epoch = 0;         // only if nothing has changed since
  Fate fate = Fate::lost;  // or kept
  StorageId source = 0;    // kept: 0 is a new one, of a file without a byte
  std::uint64_t size = 0;
  std::int64_t mtimeNs = 0;
  std::uint64_t blocks = 0;
};
// In the order asked for. Throws unavailable: the server has come back.
Task<std::vector<LayoutChange>> acceptLoss(SqlTx& tx, StorageId gone, std::vector<Loss> losses, Occasion occasion);
// What the disks have of a file whose epoch there is later than the catalog's.
struct Newest {
  InodeId inode = 0;
  Epoch epoch = 0;   // the catalog's: only if nothing has changed since
  Epoch newest = 0;  // the disks'
  std::vector<StorageId> holders;
};
// Throws invalid: see Tracker.adoptNewer.
Task<LayoutChange> adoptNewer(SqlTx& tx, Newest newest, Occasion occasion);
// What is over of pins and waits, locks of clients whose lease ended before `locksNs`, and requests made before
// `requestsNs`: a part of them, of clients behind `after`.
struct ForgetBefore {
  std::int64_t requestsNs = 0;
  std::int64_t locksNs = 0;
};
struct Forgotten {
  std::uint64_t requests = 0;
  std::int64_t last = std::numeric_limits<std::int64_t>::min();  // the next call goes on behind it
  bool more = false;                                             // and should soon
};
Task<Forgotten> forgetOld(SqlTx& tx, Fence fence, std::int64_t after, ForgetBefore before, std::int64_t now);

// ---- the beginning
struct ClusterRow {
  std::string name;
  std::string uuid;
};
Task<ClusterRow> bootstrap(SqlTx& tx, std::string name, std::string uuid, std::int64_t now);
Task<std::uint64_t> leaseIds(SqlTx& tx, std::uint32_t count);  // when no ID server is configured

}  // namespace vcfs::tracker::ops
