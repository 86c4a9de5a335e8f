@0xd2a90f6b51c34e02;
# The storage server: keeps replicas of recordings as ordinary files and forwards writes in real time.
#
# Who speaks to whom
#   clients (mount, httpd, vcfs, linked applications) call the primary for write, truncate, sync, close, stat and
#     waitGrowth, and any in-sync replica for read;
#   a primary calls replicate() and friends on the other replicas of the file's layout;
#   trackers call adopt(), remove() and list().
# Ordering: on one connection calls are executed in the order in which they arrive, per file. The primary's order of
#   arrival is the order on every replica.
# Epochs: each replica keeps the highest epoch it has seen for a file with the data. A call with an older epoch is
#   refused with `staleEpoch`, always. A call with a newer epoch is adopted: trackers hand out epochs only after the
#   catalog made them durable.
# Cancelling a call has no effect on the file: what was started is finished.
# A lost connection: unanswered calls may or may not have been executed. Repeat them with the same (client, sequence).

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("vcfs::schema");
using import "types.capnp".Status;
using import "types.capnp".Layout;
using import "types.capnp".FileState;

const maxTransfer :UInt32 = 1048576;
# The most bytes in one write, replicate or read. More is refused with `invalid`.

const maxFileSize :UInt64 = 0x7fffffff0000;
# 128 TiB. An offset + length beyond it is refused with `tooLarge`.

struct Writer {
  # Which client wrote, and where in its order. Repeating a call with the same pair is harmless, also at another
  # replica after a failover: a sequence that was executed is acknowledged and not executed again.
  client @0 :UInt64;    # never 0
  sequence @1 :UInt64;  # per file and client: 1, 2, 3 … in the order in which the calls are made
  first @2 :UInt64;     # the oldest sequence to which this client still wants an answer; those in between are under way.
                        # A server that has refused one of them refuses what follows it too (unavailable: repeat all, in
                        # order), or a later write would be executed before it. A write for which there was no room
                        # is answered with that, and so is every later one beyond its place whose `first` is not later
                        # than it: its program did not know. 0: not told, nothing is checked
  writtenNs @3 :Int64;  # of a change (write, truncate, allocate, copyRange): the client's wall clock when the program made
                        # it, later than that of every earlier change of the file that the client knows of. It becomes the
                        # file's mtime, so that what fstat() showed there right after the change stays, unless the
                        # primary's clock or the file's present mtime contradict it. A repeat says the same. 0: not told.
                        # From a primary to a replica: the mtime that it decided on
  sentNs @4 :Int64;     # the client's wall clock when this call was sent (again): a change may have waited for a new primary,
                        # or for room, and how far the two clocks are apart is not to be judged by that. 0: not told
}

struct FileInfo {
  size @0 :UInt64;      # published: the end of the bytes that every in-sync replica has
  mtimeNs @1 :Int64;    # of the last change of bytes: Writer.writtenNs, or else the primary's clock. Every change raises it
  blocks @2 :UInt64;    # allocated, in 512-byte units, on this replica
  state @3 :FileState;
  epoch @4 :UInt64;
  writers @5 :UInt32;   # clients that hold the file open for writing, as far as this server knows
  bytesToGo @6 :UInt64; # still to be copied before every replica is in sync; 0 when there is nothing to do. From a
                        # primary, other than 0 means that a syncing replica has not joined yet
  changeId @7 :UInt64;  # raised when published bytes change other than by appending (overwrite, truncate, punch)
  powerLoss @8 :UInt64; # names the last loss of power after which bytes of this file may be missing that were acknowledged
                        # and never synced: every replica in sync went through it. 0: none, or not told. No two losses
                        # have the same name
}

interface Storage {
  hello @0 (protocol :UInt32, client :UInt64, host :Text)
        -> (status :Status, storage :UInt32, name :Text, cluster :Text, uuid :Text);
  # The first call on a connection. `host` names the caller's machine in logs and `vcfs status`. storage, cluster, uuid:
  # what the disk was registered as, and where (Tracker.hello). 0 and empty before that; uuid also on a disk that has not
  # taken it yet.
  # Errors: notSupported (another protocol version).

  ping @1 () -> ();
  # Answered by the event loop, never behind a disk. No answer within the caller's limit (default 1 s) means the
  # server hangs or is cut off. It also renews the lease of everything this connection's client has open for writing.

  write @2 (inode :UInt64, epoch :UInt64, writer :Writer, offset :UInt64, data :Data, flags :UInt16, layout :Layout)
        -> (status :Status, info :FileInfo, offset :UInt64);
  # Primary only. On return the bytes are on every in-sync replica of the epoch (in memory or on disk: only sync()
  # promises disk) and `info.size` includes them, unless an earlier write in the file's order is still on its way.
  # The first write of an inode makes the file. `layout` may be left out once a call with it succeeded on this
  # connection; `needLayout` asks for it.
  # flags: see WriteFlags. `offset` of the result: where the bytes went (differs from the request's with `append`).
  # Errors: invalid, tooLarge, noSpace, io, staleEpoch, notPrimary, needLayout, unavailable (a replica is lost and no
  # tracker could be asked to change the layout: repeat).

  read @3 (inode :UInt64, epoch :UInt64, offset :UInt64, length :UInt32, layout :Layout)
       -> (status :Status, data :Data, info :FileInfo);
  # Any in-sync replica. Bytes up to the size this server knows to be published, fewer than `length` only at that
  # size; never a byte beyond it. Of a file in state `open` only the primary knows the published size: ask it, and it
  # alone; another replica answers `notPrimary`.
  # A file of which no byte was ever written is an empty answer, not an error.

  sync @4 (inode :UInt64, epoch :UInt64, writer :Writer, layout :Layout) -> (status :Status, info :FileInfo);
  # Primary only. On return everything acknowledged before the call is on stable storage of every in-sync replica.

  truncate @5 (inode :UInt64, epoch :UInt64, writer :Writer, size :UInt64, layout :Layout)
           -> (status :Status, info :FileInfo);
  # Primary only. Sets the size, at every replica, in the order of the writes.

  allocate @6 (inode :UInt64, epoch :UInt64, writer :Writer, offset :UInt64, length :UInt64, mode :UInt32,
               layout :Layout) -> (status :Status, info :FileInfo);
  # Primary only. fallocate(2) with Linux's mode bits: 0, KEEP_SIZE (1), PUNCH_HOLE|KEEP_SIZE (3), ZERO_RANGE (16),
  # ZERO_RANGE|KEEP_SIZE (17). Others: notSupported.

  open @7 (inode :UInt64, epoch :UInt64, client :UInt64, layout :Layout) -> (status :Status, info :FileInfo);
  # Primary only. Tells that `client` holds the file open for writing; its lease is renewed by ping(). write() does
  # the same by itself.

  close @8 (inode :UInt64, epoch :UInt64, writer :Writer, layout :Layout) -> (status :Status, info :FileInfo);
  # Primary only. `client` has no handle open for writing any more. On return all its acknowledged bytes and the final
  # size are on every in-sync replica, and if it was the last writer the file is `closed` on each of them.
  # The trackers are told afterwards, as soon as one can be reached.

  stat @9 (inode :UInt64, epoch :UInt64, layout :Layout) -> (status :Status, info :FileInfo);
  # Primary only. A file of which no byte was written has size 0.

  waitGrowth @10 (inode :UInt64, epoch :UInt64, knownSize :UInt64, timeoutMs :UInt32, layout :Layout)
             -> (status :Status, info :FileInfo);
  # Primary only. Answers when the published size differs from `knownSize`, when the state is not `open` any more, or
  # after timeoutMs (at most 30 000), whichever is first.

  seek @11 (inode :UInt64, epoch :UInt64, offset :UInt64, hole :Bool, layout :Layout)
       -> (status :Status, offset :UInt64);
  # SEEK_DATA or SEEK_HOLE below the published size. noAttribute: nothing there (ENXIO).

  # ---- between replicas -------------------------------------------------------------------------------------------

  replicate @12 (inode :UInt64, epoch :UInt64, writer :Writer, offset :UInt64, data :Data, published :UInt64,
                 layout :Layout, flags :UInt16, powerLoss :UInt64) -> (status :Status);
  # From the primary: the same bytes at the same place, in the primary's order. `published`: the size that is
  # published at the moment of sending; with writeFlagClose the final one. `powerLoss`: the primary's FileInfo.powerLoss, which this replica takes over.
  # Refused with staleEpoch when this replica knows a newer epoch: then the sender is no longer the primary and must not
  # acknowledge.

  replicateOp @13 (inode :UInt64, epoch :UInt64, writer :Writer, op :ReplicaOp, layout :Layout, powerLoss :UInt64)
              -> (status :Status);
  # From the primary: truncate, allocate, sync, seal, in the order of the writes. `powerLoss`: as in replicate().

  adopt @14 (layout :Layout) -> (status :Status, info :FileInfo);
  # From a tracker, or from the new primary to whom it replaced, after the catalog made the layout durable: raise the
  # epoch, learn the replicas. A server that is the primary of the new layout takes over; one that is not in it any more
  # stops serving the file.

  fetch @15 (inode :UInt64, offset :UInt64, length :UInt32) -> (status :Status, data :Data, size :UInt64);
  # Catch-up and fsck: the bytes of this replica as they stand, whatever its epoch. Fewer than `length` at its end.

  checksums @16 (inode :UInt64, offset :UInt64, blockSize :UInt32, blocks :UInt32)
            -> (status :Status, crc32c :List(UInt32), size :UInt64);
  # Of `blocks` (at most 1024) blocks of blockSize (4 KiB … 1 MiB) from `offset`; the last may be short.

  # ---- from trackers ----------------------------------------------------------------------------------------------

  remove @17 (inodes :List(UInt64), epochs :List(UInt64)) -> (status :Status, removed :UInt32, kept :List(UInt64));
  # Deletes the replicas' data for good. Absent ones are counted as removed. At most 1000 per call. epochs, one for each
  # inode or none at all (invalid): a replica that is of a newer epoch is `kept`. The call was overtaken, and the server
  # has got a replica of the file again. `kept`, too, are those that the disk does not delete, and what was not begun
  # within 20 s, or before the server stopped: it can be asked for again. One at a time, in order with what is written
  # meanwhile.

  list @18 (after :UInt64, limit :UInt32) -> (status :Status, replicas :List(StoredReplica), more :Bool);
  # Replicas on this disk with inode > after, in ascending order; at most 1000.

  catchUp @19 (layout :Layout, source :Text) -> (status :Status);
  # To the replica that shall be brought up to date: begin copying what differs from the in-sync replica at address
  # `source`, behind live traffic. Returns at once; the end is reported to a tracker with caughtUp().

  status @20 () -> (status :Status, json :Text);
  # For `vcfs status` and tests: counters of this process as a JSON object. Docs: storage/DESIGN.md.

  inspect @21 (inodes :List(UInt64)) -> (status :Status, replicas :List(StoredReplica));
  # What the disk has of these files, in the order asked for, absent ones left out; at most 1000 per call. For fsck.
  copyRange @22 (inode :UInt64, epoch :UInt64, writer :Writer, offset :UInt64, layout :Layout, source :Layout,
                 sourceOpen :Bool, sourceOffset :UInt64, length :UInt32)
            -> (status :Status, info :FileInfo, copied :UInt32);
  # Primary only. A write() whose bytes are those of another file (or of another place of this one), at most
  # maxTransfer of them: this server reads them from a replica of its own or asks a server of `source`, the other
  # file's layout. `sourceOpen`: that file is in state `open`, so its primary is asked. copied: fewer than `length` at
  # the other file's end; 0 behind it (nothing is changed then).
  # notSupported: the other file cannot be read from here; the caller copies the bytes by itself. Else as write().

  handOver @23 (inode :UInt64, epoch :UInt64, layout :Layout) -> (status :Status, equal :List(UInt32));
  # From a tracker that is about to make another replica the primary although this one is well. Ends what is under way
  # and from then on serves nothing in this epoch (staleEpoch): `equal`, the other in-sync replicas, have every byte,
  # none has one more, and each has answered just now. Any newer layout ends that. When none comes for 2 s this server
  # gives the file up as if its disk had failed. A repeat gets the same answer. Primary only.
  # Errors: overloaded (what is under way did not end within 500 ms, or a replica was lost; it goes on as the primary),
  # staleEpoch, notPrimary, needLayout, unavailable.

  standings @24 (inodes :List(UInt64)) -> (status :Status, standings :List(Standing));
  # From a tracker that has to make one of several in-sync replicas the primary: whether this server's, as far as it was
  # in sync, has every byte that was acknowledged. In the order asked for; at most 1000 per call.

  salvage @25 (files :List(Salvage), loss :UInt64) -> (status :Status, kept :List(StoredReplica));
  # From a tracker that is about to make replicas of this server that are not in sync the only ones that are, because
  # the servers that had more are gone for good. Each is cut to `atMost` and sealed as `recovered`, on stable storage when
  # this returns. What lies in its gaps (StoredReplica.mayHaveGaps) reads as zeros, or as what was there before. The catalog is changed afterwards: until then, and
  # if it never is, the replica is out of sync as before. Repeating it is harmless. `loss` becomes the file's
  # FileInfo.powerLoss, so that writers who still have it open are told. At most 1000 per call.
  # kept: in the order asked for. Epoch 0: not done (a newer epoch is known here, it is in sync, or the disk failed);
  # state none: there is no such file on this disk, which is as good as an empty one.
}

struct Salvage {
  layout @0 :Layout;    # the present one, in which this server's replica is not in sync
  atMost @1 :UInt64;    # the size that the catalog knows, of a sealed file
}

enum Standing {
  unknown @0;    # this server has started and does not know yet: ask again
  good @1;
  restarted @2;  # its process was; what the kernel had taken is there
  doubtful @3;   # its machine lost power, or its disk failed
}

struct ReplicaOp {
  union {
    truncate @0 :UInt64;             # the new size
    allocate :group { offset @1 :UInt64; length @2 :UInt64; mode @3 :UInt32; }
    sync @4 :Void;                   # fdatasync; the answer means it is on stable storage
    seal :group { state @5 :FileState; size @6 :UInt64; mtimeNs @7 :Int64; }
    open @8 :Void;                   # the file is being written (again). With writer.client 0: the primary's probe that
                                     # lets a syncing replica join
    clients @9 :List(ClientRecord);  # to a syncing replica, when it joined and whenever something in it was undone: what
                                     # is known of the file's clients. Replaces what the replica knows
    left @10 :Void;                  # writer.client has no handle open for writing any more, others have
  }
}

struct ClientRecord {
  # What a primary knows of one client of a file: which of its calls must not be executed again.
  client @0 :UInt64;
  last @1 :UInt64;                   # every sequence up to this one was put in order …
  failed @2 :List(UInt64);           # … but for these, which had no effect and may be repeated
  left @3 :Bool;                     # it has closed the file
}

struct StoredReplica {
  # What a disk has of a file.
  inode @0 :UInt64;
  epoch @1 :UInt64;
  size @2 :UInt64;
  state @3 :FileState;       # none, with epoch 0: its attributes cannot be read
  mtimeNs @4 :Int64;         # of the file on this disk
  blocks @5 :UInt64;         # allocated, in 512-byte units
  mayHaveGaps @6 :Bool;      # bytes may be missing anywhere in it: it was being brought up to date, or its disk failed
  sealedMtimeNs @7 :Int64;   # when its bytes last changed, as of its seal, which is the same on every replica; 0: unknown
}

const writeFlagAppend :UInt16 = 1;  # put the bytes at the end, wherever it is; `offset` is ignored
const writeFlagClose :UInt16 = 2;   # like close() after this write, in the same round trip
const writeFlagSync :UInt16 = 4;    # like sync() after this write, in the same round trip
