@0xb7c1f0a6d3e94c01;
# What every vcfs process says in common: errors, file attributes, and the layout of a file's replicas.
#
# Conventions of all vcfs schemas
# - One TCP connection carries one Cap'n Proto RPC session (two-party). Calls on a connection arrive in the order in
#   which they were made; answers may overtake each other.
# - A lost connection means "outcome unknown" for every unanswered call. Every mutating call can be repeated: it
#   carries a RequestId (names) or a client id and sequence number (bytes), and repeating it changes nothing.
# - Every result has `status`. Only programming errors and lost connections travel as Cap'n Proto exceptions.
# - Times are nanoseconds since the Unix epoch, sizes and offsets are bytes, durations are milliseconds.
# - Names of files are raw bytes (Linux file names), so they are Data, never Text.
# - Retired fields keep their number.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("vcfs::schema");

const protocolVersion :UInt32 = 1;
# Sent in every hello(). A server refuses a client whose version it does not speak with `notSupported`.

enum ErrorCode {
  # Grouped by what the caller should do. common/error.h mirrors this list, fuse/errno_map.cpp is the only place
  # that knows errno.
  ok @0;

  # -- fix the request: the answer will not change by repeating it
  notFound @1;          # no such name, inode or attribute's owner
  exists @2;
  notDirectory @3;
  isDirectory @4;
  notEmpty @5;
  invalid @6;           # an argument outside its range; `detail` names it
  nameTooLong @7;       # a name of more than 255 bytes, a path of more than 4096
  notPermitted @8;      # EPERM: nobody may do this to that object
  accessDenied @9;      # EACCES: this caller may not
  noAttribute @10;      # no such extended attribute
  tooLarge @11;         # offset or size beyond maxFileSize, attribute value beyond 64 KiB
  notSupported @12;
  tooManyLinks @13;
  readOnly @14;
  outOfRange @15;       # buffer too small for the attribute (ERANGE)
  crossDevice @16;      # a link or rename that would leave its place (EXDEV)
  textBusy @17;
  loop @18;
  wouldBlock @19;       # a lock is held by somebody else
  deadlock @20;

  # -- the resource is short
  noSpace @21;
  quotaExceeded @22;

  # -- ask again for the layout, then repeat
  staleEpoch @23;       # the request's epoch is older than the replica's; `layout` may carry the current one
  notPrimary @24;       # the addressed server is not the first in-sync replica of this epoch
  notInSync @25;        # the addressed replica cannot serve this (it is being caught up, or has not got the file)
  needLayout @26;       # the server does not know this epoch's replicas: repeat with `layout` filled in

  # -- repeat later, or elsewhere
  unavailable @27;      # a server, all replicas or the catalog is away
  overloaded @28;
  timeout @29;          # no answer in time: outcome unknown

  # -- give up
  io @30;               # the disk said no
  corrupted @31;        # a checksum or an invariant does not hold
  internal @32;
  cancelled @33;
}

struct Status {
  # A null pointer (all defaults) is success, so a good answer costs nothing.
  code @0 :ErrorCode;
  detail @1 :Text;      # for people: names the thing and the remedy; may be empty
  layout @2 :Layout;    # with staleEpoch and notPrimary, when the server knows better
}

struct RequestId {
  # Names one mutating request of one client for ever, so that it can be repeated after a lost connection.
  client @0 :UInt64;    # random, drawn when the client starts; never 0
  sequence @1 :UInt64;  # 1, 2, 3 … in the order in which the client made its requests
}

enum FileType { none @0; regular @1; directory @2; symlink @3; fifo @4; socket @5; blockDevice @6; charDevice @7; }

enum FileState {
  # Only regular files have a state other than `none`.
  none @0;
  open @1;              # somebody writes it, or wrote it and the close has not been reported yet
  closed @2;            # the last writer closed it: every in-sync replica has all bytes
  recovered @3;         # the last writer vanished, or servers with more of it: sealed at the size that was left
  lost @4;              # no server has its data any more (Tracker.acceptLoss). Only the name is left; `size` is what was lost
}

struct Attr {
  inode @0 :UInt64;     # 1 is the root; never repeated
  type @1 :FileType;
  mode @2 :UInt32;      # the low 12 bits: permissions, setuid, setgid, sticky
  nlink @3 :UInt32;
  uid @4 :UInt32;
  gid @5 :UInt32;
  size @6 :UInt64;      # of a regular file in state `open`: the last size reported; the primary knows the published one
  blocks @7 :UInt64;    # in 512-byte units, one copy; 0 when not known yet
  atimeNs @8 :Int64;
  mtimeNs @9 :Int64;
  ctimeNs @10 :Int64;
  rdev @11 :UInt64;     # of device nodes
  state @12 :FileState;
  epoch @13 :UInt64;    # of regular files: that of the layout this answer was made with; 0 otherwise
  changeId @14 :UInt64; # raised by every change of this inode in the catalog; equal ids mean equal attributes
  acl @15 :UInt8;       # POSIX ACLs it has: 1 access, 2 default; without either the mode says it all.
                        # 4: it has a file capability. 8: certainly no extended attribute at all (older trackers never say so)
                        # 16: mtime is one that somebody set (utimens), which stands against writes from before ctime
}

enum ReplicaState {
  inSync @0;            # has every published byte
  syncing @1;           # takes new writes and is being caught up; serves nothing
  stale @2;             # missed something; refused until it was caught up
}

struct Replica {
  storage @0 :UInt32;   # the storage server's id (assigned at registration, 1…)
  state @1 :ReplicaState;
  address @2 :Text;     # host:port at which it was last registered
}

struct Layout {
  # Who holds a file, as of one epoch. The first replica that is inSync is the primary.
  inode @0 :UInt64;
  epoch @1 :UInt64;
  replicas @2 :List(Replica);
  user @3 :Text;        # the tenant; written beside the data so that the catalog can be rebuilt
  name @4 :Data;        # the path at creation, for the same purpose; may be cut to 1024 bytes
}

enum LockKind {
  flock @0;             # flock(2): of an open file description, always the whole file
  range @1;             # fcntl(2): of a process (or of an open file description, F_OFD_SETLK), a range of bytes
}

enum LockType { none @0; shared @1; exclusive @2; }

struct FileLock {
  # Advisory: it keeps nobody from reading or writing, only from taking a lock that excludes it. The two kinds do not
  # see each other.
  kind @0 :LockKind;
  type @1 :LockType;    # none: to unlock; in an answer: there is no such lock
  start @2 :UInt64;     # first byte
  end @3 :UInt64;       # last byte, 2^63-1: to the end of the file, wherever that is
  client @4 :UInt64;    # who holds it: this client …
  owner @5 :UInt64;     # … for this process or open file description, by the client's own number
  pid @6 :UInt32;       # of the process on the client's host, for F_GETLK there
}
