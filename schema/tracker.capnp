@0xa4d3c85e7f104d04;
# The tracker: the namespace, the map of storage servers, placement and failover decisions.
#
# Who speaks to whom
#   clients (mount, httpd, vcfs, linked applications) call the namespace part;
#   storage servers register, send heartbeats and report sizes, closings and lost peers;
#   `vcfs` calls the administration part.
# All trackers are equal: any may be asked anything. What is durable is in the catalog; a successful answer to a
#   mutating call means that its transaction is committed (visible to every tracker, safe from a crash of the process;
#   on stable storage after syncNames()).
# A lost connection: repeat the call at any tracker with the same RequestId. A request that was committed answers as it
#   did the first time (with the present attributes), it is not executed again. Request ids are kept for 10 minutes.
# Cancelling a call has no effect on a mutation that was started.
# Trackers never check permissions: the mount's kernel does (default_permissions), and it is trusted.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("vcfs::schema");
using import "types.capnp".Status;
using import "types.capnp".Attr;
using import "types.capnp".Layout;
using import "types.capnp".RequestId;
using import "types.capnp".FileType;
using import "types.capnp".FileState;
using import "types.capnp".FileLock;

struct Entry {
  # An inode together with what is needed to read or write it at once.
  attr @0 :Attr;
  layout @1 :Layout;         # of regular files only
}

struct DirEntry {
  name @0 :Data;
  cookie @1 :UInt64;         # position after this entry: unique in its directory, the same for the entry's whole life
  entry @2 :Entry;           # attr is always there; layout when asked for
}

struct SetAttr {
  # Which fields are set: a bit mask.
  mask @0 :UInt32;           # 1 mode, 2 uid, 4 gid, 8 atime, 16 mtime, 32 atime=now, 64 mtime=now, 128 ctime
  mode @1 :UInt32;
  uid @2 :UInt32;
  gid @3 :UInt32;
  atimeNs @4 :Int64;
  mtimeNs @5 :Int64;
  ctimeNs @6 :Int64;
}

struct Owner { uid @0 :UInt32; gid @1 :UInt32; }
# The caller; a new inode's gid is the parent directory's when that has the setgid bit.

interface Tracker {
  # ---- sessions ---------------------------------------------------------------------------------------------------

  hello @0 (protocol :UInt32, client :UInt64, host :Text, kind :Text, path :Text)
        -> (status :Status, cluster :Text, tracker :Text, trackers :List(Text), uuid :Text);
  # The first call on a connection. kind: "mount", "httpd", "cli", "library", "storage", "tracker". path: a mount's
  # mount point, an httpd's address. tracker: this tracker's own address. trackers: every tracker's address.
  # cluster: its name, which most clusters share ("vcfs"). uuid: of its catalog, drawn when that was made and kept by its
  # backups: who has heard one asks no tracker of another. Empty from trackers that do not tell it.
  # The session is what `vcfs status` lists; it ends with its connection.

  ping @1 () -> ();

  watch @2 (watcher :Watcher) -> (status :Status, settles :Bool);
  # From now on changes made by others are told to `watcher` until the connection ends. After a reconnect the client
  # must treat everything it cached as stale.
  # settles: nobody gets a sealed file open for writing (openForWrite) before this session was told, so that what it
  # remembers of sealed files is good for an open(2) for as long as leases count (see leaseNames). Not with several
  # trackers, nor for a minute after a session of this client was told so and answered later than after 300 ms: its
  # connection was closed then, and now it is not waited for.

  # ---- namespace: reading -----------------------------------------------------------------------------------------

  lookup @3 (parent :UInt64, name :Data) -> (status :Status, entry :Entry);
  getAttr @4 (inode :UInt64) -> (status :Status, entry :Entry);
  # Also of an inode whose last name is gone but whose data is still there.

  resolve @5 (base :UInt64, path :Data, follow :Bool) -> (status :Status, entry :Entry);
  # A whole path relative to directory `base`, in one round trip. Symbolic links on the way are followed inside the
  # store (an absolute target starts at the root of the store); the last one only with `follow`. At most 40 links.

  readDir @6 (directory :UInt64, after :UInt64, limit :UInt32, layouts :Bool)
          -> (status :Status, entries :List(DirEntry), more :Bool);
  # Entries with cookie > after in ascending order of cookie, without "." and "..". `limit` at most 4096. An entry that
  # exists during the whole listing is returned once; one that comes or goes meanwhile, once or not at all.

  readLink @7 (inode :UInt64) -> (status :Status, target :Data);

  statFs @8 (directory :UInt64) -> (status :Status, totalBytes :UInt64, freeBytes :UInt64, files :UInt64);
  # How many bytes of files fit with all their copies on the group's servers: of the group that new files of the
  # directory's user go to; `directory` may also be a file, then of that which it is in. For the root: of all groups
  # together.
  # Total: of their disks as they are. Free: less what is kept in reserve, with what the trash gives back by itself (not
  # what somebody has open or records), read from the catalog in at most 300 ms, or else as far as it is known. What is
  # just being given back may be counted twice for some seconds.

  parent @9 (inode :UInt64) -> (status :Status, parent :UInt64);
  # Of a directory. The root's parent is the root.

  # ---- namespace: changing ----------------------------------------------------------------------------------------

  create @10 (parent :UInt64, name :Data, mode :UInt32, owner :Owner, exclusive :Bool, request :RequestId,
              symlinkTarget :Data, type :FileType, rdev :UInt64, posixAclDefault :Data, umask :UInt32)
         -> (status :Status, entry :Entry, created :Bool);
  # Makes an inode of any type but directory; a regular file is made in state `open` with epoch 1 and its replicas
  # placed. mode: as asked for. Where the parent has a default ACL, the new inode inherits it and `umask` (0777 bits)
  # does not matter; elsewhere the bits of `umask` are taken away. A caller that applied it already leaves it 0.
  # posixAclDefault: not used any more (the parent's is known here). Not exclusive and there already: its entry, and
  # created is false (nothing is changed, the caller opens or truncates it). symlinkTarget: for symlinks, 1 … 4095 bytes.
  # Errors: notFound (parent), notDirectory, exists, nameTooLong, invalid (empty name, ".", "..", '/' or NUL in it),
  # noSpace (no storage server with room), unavailable.

  mkdir @11 (parent :UInt64, name :Data, mode :UInt32, owner :Owner, request :RequestId, umask :UInt32)
        -> (status :Status, entry :Entry);
  # mode and umask as with create; a default ACL is handed on.

  unlink @12 (parent :UInt64, name :Data, request :RequestId) -> (status :Status, entry :Entry);
  # Takes the name away at once; entry: the inode as it is now (nlink 0: its data goes to the trash).
  rmdir @13 (parent :UInt64, name :Data, request :RequestId) -> (status :Status);

  rename @14 (parent :UInt64, name :Data, newParent :UInt64, newName :Data, flags :UInt32, request :RequestId)
         -> (status :Status, entry :Entry, replaced :Entry);
  # Atomic, over an existing name too. flags: 1 NOREPLACE, 2 EXCHANGE. replaced: the inode that lost its name or was exchanged, if any.
  # Errors also: notEmpty, isDirectory, notDirectory, invalid (into its own subtree).

  link @15 (inode :UInt64, newParent :UInt64, newName :Data, request :RequestId) -> (status :Status, entry :Entry);
  # notPermitted for directories; tooManyLinks beyond 65 000; notFound when the inode's last name is gone.

  setAttr @16 (inode :UInt64, set :SetAttr, request :RequestId) -> (status :Status, entry :Entry);
  # Sizes are set at the primary (Storage.truncate), not here.

  openForWrite @17 (inode :UInt64, request :RequestId) -> (status :Status, entry :Entry);
  # The file is `open` when this returns, and if it was sealed before, sessions that settle know it. Errors: isDirectory, notFound, unavailable (no replica in sync).

  syncNames @18 () -> (status :Status);
  # On return every change of the catalog answered before, of names and closings, is on stable storage.

  getXattr @19 (inode :UInt64, name :Data) -> (status :Status, value :Data);
  listXattr @20 (inode :UInt64) -> (status :Status, names :List(Data));
  setXattr @21 (inode :UInt64, name :Data, value :Data, flags :UInt32, mode :UInt32, request :RequestId)
           -> (status :Status);
  # flags: 1 XATTR_CREATE, 2 XATTR_REPLACE; 4, with an access ACL: the setgid bit goes. mode: 0, or new permission bits | 0x80000000 to set with it (POSIX ACLs).
  # system.posix_acl_access and _default: in the kernel's format (version 2), refused with `invalid` when they are not
  # ACLs. An access ACL sets the mode's permission bits; one that says no more than a mode is not kept. An empty one is
  # removed.
  removeXattr @22 (inode :UInt64, name :Data, request :RequestId) -> (status :Status);

  pin @23 (inodes :List(UInt64), client :UInt64) -> (status :Status);
  # These inodes, whose last name is gone, are still open at `client`: keep their data for `pin-time` (5 min). Repeated by
  # the client every 20 s while they stay open: who cannot reach a tracker for minutes keeps what it has open. At most
  # 1000 per call.

  # ---- from storage servers and clients: failures -----------------------------------------------------------------

  reportFailure @24 (failed :List(FailedReplica), reporter :Text) -> (status :Status, layouts :List(Layout));
  # The caller cannot reach `storage` for these files. For each, in one compare-and-set transaction: if `epoch` is
  # still current and another replica is in sync, the storage's replica becomes stale, the epoch is raised and, if
  # the group has another server, a new syncing replica is added. layouts: one per request, in order, the present
  # layout whatever happened; that of a file that does not exist has inode 0. At most 1000 per call.
  # One that was not asked (`unasked`) is lost only where this tracker does not hear it either, and another one in sync.
  # Where several replicas may follow a lost primary they are asked before (up to 1 s); nothing is changed as long as
  # none says that it has everything and one may still say so: report it again. unavailable: of all these files nobody
  # could be asked; another tracker may be able to.

  registerStorage @25 (name :Text, group :Text, zone :Text, address :Text, dataDirectory :Text, capacityBytes :UInt64,
                       freeBytes :UInt64, instance :UInt64, previous :UInt32, empty :Bool, checking :Bool,
                       uuid :Text)
                  -> (status :Status, storage :UInt32, cluster :Text, uuid :Text);
  # At start and after each reconnect. The name is the server's identity for ever (its id does not change when its
  # address does). instance: random per process start. previous: the id that the disk remembers; 0: none. empty: then,
  # that it has no replica either, and is a new disk. A new one is given its id and takes no part yet: its heartbeat is
  # answered with notFound, and it registers again with `previous` once that is on its disk. checking: as in heartbeat().
  # uuid: of the cluster (hello) that the disk remembers; empty: none, and the disk takes that of the answer.
  # Errors: exists (a live server has this name, or another new one has just been given it), invalid (the disk is of
  # another cluster, was another server, or one that was removed; or it is new, and the catalog has replicas on the server
  # of that name, or that is being emptied or removed; or it has replicas of files of another group).

  heartbeat @26 (storage :UInt32, capacityBytes :UInt64, freeBytes :UInt64, liveFiles :UInt32, bytesToGo :UInt64,
                 loadBytesPerSecond :UInt64, checking :Bool)
            -> (status :Status);
  # Every second. A server not heard of for 3 s is `unreachable` and is given no new files. checking: after a power cut it
  # does not know yet what it has lost and takes part in nothing; new files go elsewhere as long as there is anybody else.
  # notFound: register again.

  reportFiles @27 (storage :UInt32, files :List(FileReport)) -> (status :Status, newer :List(Layout));
  # From primaries: sizes of open files (every few seconds) and closings (at once). A report of an older epoch, or
  # from a server that is not the file's primary, is ignored. Repeating is harmless. At most 1000 per call.
  # A closing is kept by who told it until a syncNames() after this answer has returned, and told again in each new session
  # until then: a power cut of the catalog's machine may take it back, and the row would say what the file was before it was
  # opened again.
  # newer: the present layouts of those files whose report was of an older epoch. Who still is the primary there tells
  # it again: nobody else does.

  caughtUp @28 (storage :UInt32, inode :UInt64, epoch :UInt64) -> (status :Status, layout :Layout);
  # The syncing replica on `storage` has everything: it becomes in-sync, the epoch is raised.

  staleReplicas @29 (storage :UInt32, after :UInt64, limit :UInt32)
                -> (status :Status, layouts :List(Layout), more :Bool);
  # Files of which this server holds a replica that is not in sync.

  # ---- administration ---------------------------------------------------------------------------------------------

  status @30 () -> (status :Status, json :Text);
  # The cluster as this tracker sees it, a JSON object with trackers[], idservers[], storages[], httpds[], mounts[],
  # files{} as documented in docs/operations.md.

  fileInfo @31 (inode :UInt64) -> (status :Status, json :Text);
  # One file with its replicas: storage names, states, paths on the servers.

  groups @32 () -> (status :Status, json :Text);
  users @33 () -> (status :Status, json :Text);
  assignUser @34 (user :Text, group :Text, request :RequestId) -> (status :Status);
  # New files of `user` go to `group` from now on; existing files stay where they are.
  setGroup @35 (group :Text, copies :UInt32, request :RequestId) -> (status :Status);
  # Makes or changes a storage group: number of copies of new files, 1 … 8.

  storages @36 () -> (status :Status, json :Text);
  # The storage servers as the catalog and this tracker know them, a JSON list: docs/operations.md. Reads the catalog's
  # list of servers anew first.

  drainStorage @37 (name :Text, drain :Bool, request :RequestId) -> (status :Status, json :Text);
  # drain: the server is given no new replica from now on (other trackers that can be reached know before this
  # returns), and the coordinator moves what it has to others of its group; not drain: no more of that, what was moved
  # stays moved. Repeating it is harmless. json: the server as in storages(). Errors: notFound.

  removeStorage @38 (name :Text, request :RequestId, force :Bool) -> (status :Status, more :Bool);
  # Forgets a server that is away, its name and its id, for ever; should it come back it is a new one, and what is on its
  # disk is extra. force: although its in-sync replicas are not replaced yet, as long as every file has another one on a
  # server that is there; the files go on with those. more: there was not the time for all of it, call again.
  # Errors: notFound; notEmpty (files need a replica there: drain it, or if it is gone for good, wait until they
  # were copied elsewhere, or accept what is lost: acceptLoss(); `detail` says how many and which only it has); exists (it is up: stop its process first);
  # unavailable (it was heard of within the last seconds, or comes back).

  # ---- vcfs fsck --------------------------------------------------------------------------------------------------

  auditFiles @39 (after :UInt64, limit :UInt32)
             -> (status :Status, files :List(AuditFile), orphans :List(AuditOrphan), more :Bool);
  # Inodes of every type with inode > after in ascending order, also nameless ones; limit at most 1000. orphans: rows of
  # other tables between `after` and the last of `files` (the end, without `more`) whose inode does not exist.

  auditInodes @40 (inodes :List(UInt64)) -> (status :Status, files :List(AuditFile));
  # These, in the order asked for, at most 1000 per call. Absent ones are left out, but for those of which a server has
  # still to delete a replica: they have type none.

  auditNames @41 (parent :UInt64, name :Data, limit :UInt32) -> (status :Status, names :List(AuditName), more :Bool);
  # Entries of all directories behind (parent, name), in that order; limit at most 1000.

  pathsOf @42 (directories :List(UInt64)) -> (status :Status, paths :List(Data));
  # From the root, with a slash in front and none behind (the root itself: empty); empty too for what is no directory.
  # At most 100 per call.

  # ---- from storage servers: after a power cut ----------------------------------------------------------------------

  replicasHere @43 (storage :UInt32, after :UInt64, limit :UInt32)
               -> (status :Status, files :List(Entry), more :Bool);
  # Files with inode > after, ascending, of which this server is believed to hold an in-sync replica; limit at most
  # 1000. A server whose machine lost power compares them with what is on its disk.

  # ---- locks of files ---------------------------------------------------------------------------------------------
  # They stand in the catalog, so every tracker knows them, and belong to a client. A client that holds or wants some
  # calls renewLocks at least every third of the lease (default 10 s); one that was not heard of for the whole lease
  # loses what others want. `session`: how many tracker sessions the client had, this one included; a call of an earlier
  # one that arrives late is refused (`invalid`), so that no lock is taken for somebody who has given up asking.

  getLock @44 (inode :UInt64, lock :FileLock) -> (status :Status, conflict :FileLock);
  # What would keep `lock` from being taken: the first such lock by position, or type `none`.

  setLock @45 (inode :UInt64, session :UInt64, lock :FileLock, wait :Bool)
          -> (status :Status, conflict :FileLock, leaseMs :UInt32);
  # Takes, changes or (type `none`) gives up a lock, as fcntl(2) and flock(2) do: ranges of one owner replace each
  # other, are split and joined. Repeating it is harmless. Committed when it returns, not on stable storage.
  # wouldBlock: `conflict` is in the way. With `wait`, the caller is told (Change.locks of the inode) when that may be
  # otherwise, and asks again; it asks by itself after a few seconds, at the latest when leaseMs, if not 0, is over (then
  # the conflicting holder's lease ends). deadlock: with `wait`, the holder waits for the caller. noSpace: more than
  # 10 000 locks of this file. (Of one client there may be any number; the client library has a bound of its own.)
  # Errors also: notFound, invalid (a range that ends before it begins, client 0).

  renewLocks @46 (client :UInt64, session :UInt64) -> (status :Status, held :UInt64, leaseMs :UInt32);
  # Renews the client's lease; held: how many locks it has. notFound: it was given up, and its locks with it.

  cancelLock @47 (inode :UInt64, lock :FileLock) -> (status :Status);
  # `lock.client` does not wait for this any more (see deadlock).

  # ---- names a client may deny by itself ----------------------------------------------------------------------------

  leaseNames @48 (directory :UInt64) -> (status :Status, granted :Bool);
  # With `granted`, this session is asked (Watcher.recallNames) before anybody else's new name in the directory is
  # committed, so that it may itself say of a name that is not there. It counts for as long as the session lives and
  # the tracker answered something that was sent less than NAME_LEASE_MS ago. Any number of sessions have it at a time.
  # Not granted: others are making names there just now, or there are too many (100 000 of all sessions). One that has
  # 1000 is asked (recallNames) for its oldest one first; if it does not answer within 2 s, it keeps that and gets none.
  # Errors: notFound, notDirectory, notSupported (several trackers share the catalog), invalid (no watch() before).

  # ---- times of reading ---------------------------------------------------------------------------------------------

  noteReads @49 (reads :List(ReadTime)) -> (status :Status);
  # These were read at the caller, which found by its mount's rule (relatime) that their atime moves. At most 1000 per
  # call (invalid). An atime moves forward only, and only from what the caller knew it to be: one that somebody set
  # since stays. Nothing else changes, ctime neither. What does not exist is passed over. Committed when it returns, not
  # on stable storage; repeating it is harmless. Others are told (Change.times) when it is about 100 or fewer.

  # ---- a storage server that is gone for good ------------------------------------------------------------------------

  acceptLoss @50 (name :Text, after :UInt64, limit :UInt32, dryRun :Bool, acceptUnseen :Bool)
             -> (status :Status, files :List(LossFile), elsewhere :UInt64, last :UInt64, more :Bool,
                 othersAway :UInt64);
  # The server will never come back: gives up its in-sync replicas, of files with inode > after, ascending, at most
  # `limit` (1 … 200) per call; `last`: where the next call goes on, while there is `more`. Files of which another server
  # has an in-sync replica go on with that, as after any failure (`elsewhere`: how many; `othersAway`: of these, how many
  # have such replicas only on servers that are away, too). Of the others (`files`) the best
  # replica becomes the only one in sync, under a raised epoch, once all were looked at; where there is none the file is
  # `lost`.
  # dryRun: says what would become of them. Otherwise the server counts as one that is being emptied from then on, so that no
  # new disk takes its place meanwhile. A page is committed as a whole, durably, so it may be interrupted and
  # repeated anywhere; what is done is not told again, but in the tracker's log. removeStorage() forgets the server
  # afterwards.
  # acceptUnseen: goes by the replicas that can be looked at. What others have that would be better is overwritten from
  # these when their servers come back.
  # Errors: notFound; exists (it is up); unavailable (it was heard of within the last seconds: repeat); invalid (limit).

  # ---- a catalog that was restored from a backup -------------------------------------------------------------------------

  adoptNewer @51 (inode :UInt64, epoch :UInt64, newest :UInt64, holders :List(UInt32))
             -> (status :Status, layout :Layout, changed :Bool);
  # The disks know a later epoch of the file (`newest`) than the catalog (`epoch`): its replicas refuse everybody who comes
  # with what the catalog says. In one compare-and-set transaction, if `epoch` is still the catalog's: the epoch becomes
  # newest + 1, the replicas on `holders` (1 … 8 servers, those that have the file as it was last) are in sync, also such
  # as the catalog does not place there, and the others become stale. The caller has looked at every server's disk.
  # layout: the present one, whatever happened (inode 0: there is no such file); changed: by this call. Repeating it
  # changes nothing.
  # Errors: invalid (newest is not later than epoch, a holder that is not in the catalog or has still to delete an older
  # replica of the file, too many of them).
}

struct LossFile {
  inode @0 :UInt64;
  path @1 :Data;                    # at creation
  size @2 :UInt64;                  # that the catalog knew
  kept @3 :UInt64;                  # of that
  state @4 :FileState;              # before; `open`: `size` may be that of some seconds ago, and somebody may have it open
  fate @5 :LossFate;
  source @6 :UInt32;                # the server whose replica is kept
  unseen @7 :List(UInt32);          # servers with a replica that could not be looked at
  mayHaveGaps @8 :Bool;             # bytes may be missing anywhere in that replica, and read as zeros
}

enum LossFate {
  kept @0;      # as far as `kept`
  lost @1;      # nothing is left
  waits @2;     # nothing was done: the (older) replicas on servers in `unseen` could not be looked at, and may be better
                # than the others. Start them, or accept that too (acceptUnseen). Nobody in `unseen`: the file has just
                # changed, or the server of the best replica is not ready for it; repeat
}

const nameLeaseMs :UInt32 = 1000;
# A client that does not answer recallNames() has its connection closed, and is waited for this long.

struct ReadTime {
  inode @0 :UInt64;
  oldNs @1 :Int64;           # the atime that was known; with `unknown` it means nothing
  newNs @2 :Int64;           # when it was read
  unknown @3 :Bool;          # the tracker judges: atime moves if it was not later than mtime and ctime, or is a day old,
                             # and if the inode was not changed (ctime) after it was read
}

struct AuditFile {
  attr @0 :Attr;
  layout @1 :Layout;         # of regular files; the user and path at creation too
  removals @2 :List(UInt32); # servers that have still to delete an older replica of it
  trashed @3 :Bool;          # nameless: to be reclaimed when its retention ends and nobody has it open
  parent @4 :UInt64;         # of directories
  copies @5 :UInt32;         # wanted replicas of a file
}

struct AuditOrphan {
  table @0 :Text;            # "replicas", "xattrs", "trash" …
  inode @1 :UInt64;
}

struct AuditName {
  parent @0 :UInt64;
  name @1 :Data;
  inode @2 :UInt64;
  type @3 :FileType;         # as the entry says
  inodeType @4 :FileType;    # as the inode says; none: there is no such inode
  parentType @5 :FileType;   # directory, or something is wrong
  inodeParent @6 :UInt64;    # of directories: where the inode believes to be
}

struct FailedReplica {
  inode @0 :UInt64;
  epoch @1 :UInt64;
  storage @2 :UInt32;
  unasked @3 :Bool;  # its name could not be looked up: it counts as lost only where the tracker does not hear it either
}

struct FileReport {
  inode @0 :UInt64;
  epoch @1 :UInt64;
  size @2 :UInt64;
  mtimeNs @3 :Int64;
  blocks @4 :UInt64;
  state @5 :FileState;
  order @6 :Int64;
  # Higher in each later report of one process; begins at its wall clock, in nanoseconds. Of one epoch a report with a
  # lower one was overtaken and is ignored. 0, from servers that do not know it: mtimeNs stands in.
}

interface Watcher {
  # Implemented by clients; called by trackers.
  changed @0 (changes :List(Change)) -> ();
  # The client drops what it cached about these. Sent within milliseconds of the commit, coalesced.

  recallNames @1 (directory :UInt64) -> ();
  # Somebody else is about to make a name there, or the session asked for more leases than it may have: the answer gives
  # the lease up.
}

struct Change {
  # With inode 0, parent 0 and no name: anything may have changed (a tracker was cut off from another one).
  inode @0 :UInt64;        # whose attributes, layout, links or data changed; 0: only a name
  parent @1 :UInt64;       # with name: this entry of this directory changed
  name @2 :Data;
  unlinked @3 :Bool;       # the inode's last name is gone: pin it if you have it open
  data @4 :Bool;           # bytes were changed other than by appending: drop cached pages
  locks @5 :Bool;          # nothing but: a lock of `inode` was given up. Sent to trackers and to clients that wait
  times @6 :Bool;          # nothing but: atime of `inode` moved as somebody read it
  layout @7 :Bool;         # nothing but: `inode` has another layout; its names, owner, mode and attributes are as before
}
