#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "vcfs/file.h"
#include "vcfs/types.h"

namespace vcfs {

struct Runtime;

// How a client behaves. The defaults suit a recorder's mount.
struct ClusterOptions {
  std::vector<std::string> trackers;  // "host:port"; one is enough, the rest is learnt
  std::string kind = "library";       // shown by `vcfs status`: mount, httpd, cli, library
  std::string path;                   // a mount's mount point, an httpd's address
  std::chrono::milliseconds stallLimit{
      30'000};                                  // how long an operation may wait for a cluster that is away; then Error
  std::chrono::milliseconds maxLag{50};         // the oldest byte leaves the send window at most this late; 0: at once
  std::uint64_t sendWindow = 8u << 20;          // bytes not acknowledged yet, per file
  std::uint64_t sendWindowTotal = 96u << 20;    // the same, all files of this Cluster together
  std::uint64_t readAhead = 4u << 20;           // bytes, per sequentially read file; 0: none
  std::uint64_t readAheadTotal = 64u << 20;     // the same, all files of this Cluster together
  std::chrono::milliseconds pingInterval{250};  // a server that answers neither a request …
  std::chrono::milliseconds pingLimit{1000};    // … nor a ping for this long is taken for dead
  std::chrono::milliseconds connectLimit{1000};    // for one attempt at one server
  std::chrono::milliseconds requestLimit{15'000};  // a server that answers pings but not a request for this long is
                                                   // taken for broken (its disk hangs) and another one is used
};

struct CreateRequest {
  InodeId parent = kRootInode;
  std::string name;                   // 1 … 255 bytes without '/' and NUL, not "." or ".."
  FileType type = FileType::regular;  // any but directory (Cluster::mkdir)
  std::uint32_t mode = 0644;          // permission bits, 07777
  std::uint32_t umask = 0;  // taken from the mode, unless the directory has a default ACL; 0: it is applied already
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  bool exclusive = false;     // Error(exists) when the name is there; else its entry, unchanged
  std::string symlinkTarget;  // of symlinks: 1 … 4095 bytes
  std::uint64_t rdev = 0;     // of devices
};

struct Created {
  Entry entry;
  bool created = true;  // false: it was there already (and `exclusive` was not asked for)
};

// A connection to a vcfs cluster: the namespace by inode number, and files.
//
// Loop thread only. Every Task may be called while others are under way. Operations wait through failovers and lost
// trackers (repeating themselves with the same request id) for at most stallLimit and then throw Error(unavailable).
// Nothing is cached here but layouts and server connections; callers cache names and attributes and listen to
// onChanged(). Errors are of type vcfs::Error: notFound, notDirectory, isDirectory, exists, notEmpty, nameTooLong,
// invalid, noSpace and the like say what was wrong with the request, unavailable that it may work later (whether it was
// executed is not known then); schema/tracker.capnp has the codes of each call.
//
// What changes names or attributes is committed when it returns: everybody sees it, and it outlives a crash of any
// process. A power cut of the tracker's machine it outlives after syncNames() (or File::sync of a file that it named).
// Permissions are not checked here, nor by the trackers.
class Cluster {
 public:
  // Returns when a tracker has answered; throws Error(unavailable) after stallLimit, Error(invalid) for bad options.
  static Task<std::shared_ptr<Cluster>> connect(Runtime& runtime, ClusterOptions options);
  virtual ~Cluster() = default;

  // Ends cleanly: closes every open file (their data is sent first) and the connections.
  virtual Task<void> shutdown() = 0;

  virtual const ClusterOptions& options() const = 0;
  virtual ClientId clientId() const = 0;
  // Called on the loop for every change that another client made, and with `everything` after the connection to the
  // trackers was lost. One callback; it must not throw.
  virtual void onChanged(std::function<void(const Change&)> callback) = 0;
  // Whether an answer about a sealed file, of which no change was told since, is certain to hold at this moment: nobody
  // gets such a file open for writing before this process was told. False with several trackers, and while no tracker
  // answers; then close-to-open needs a question.
  virtual bool changesAreTold() const = 0;

  // ---- names
  virtual Task<std::optional<Entry>> lookup(InodeId parent, std::string name) = 0;  // nullopt: no such name
  // Attributes as of now. Of a file in state `open`: size and mtime as its primary (or this process's own send window)
  // knows them, else as the catalog does.
  virtual Task<Entry> getAttr(InodeId inode) = 0;
  // The same as the catalog has it, without asking a primary: names, owner and mode as of now.
  virtual Task<Entry> catalogAttr(InodeId inode) = 0;
  // Brings size, mtime and blocks of an `open` file's entry up to date, as getAttr does, without asking a tracker.
  virtual Task<void> refresh(Entry& entry) = 0;
  // The same, but waits for the primary for `limit` at most: then what this process knows must do. Throws nothing that
  // can be tried again. For answers that others wait for, and after changes that were made.
  virtual Task<void> refreshWithin(Entry& entry, std::chrono::milliseconds limit) = 0;
  // A whole path relative to a directory; links on the way are followed (40 at most), the last one with `follow`.
  // nullopt: something of it is not there.
  virtual Task<std::optional<Entry>> resolve(InodeId base, std::string path, bool follow) = 0;
  // Entries behind the cookie `after` (0: from the start), `limit` at most (1 … 4096), without "." and "..". With
  // `layouts` the entries can be opened without another question.
  virtual Task<DirPage> readDir(InodeId directory, std::uint64_t after, std::uint32_t limit, bool layouts) = 0;
  virtual Task<std::string> readLink(InodeId inode) = 0;
  virtual Task<InodeId> parent(InodeId directory) = 0;  // of a directory; the root's is the root
  virtual Task<SpaceInfo> statFs(InodeId directory) = 0;
  virtual Task<Created> create(CreateRequest request) = 0;
  virtual Task<Entry> mkdir(InodeId parent, std::string name, std::uint32_t mode, std::uint32_t uid, std::uint32_t gid,
                            std::uint32_t umask = 0) = 0;
  // Returns the inode as it is now. With nlink 0 its data stays while anybody has it open, then goes to the trash.
  virtual Task<Entry> unlink(InodeId parent, std::string name) = 0;
  virtual Task<void> rmdir(InodeId parent, std::string name) = 0;
  struct Renamed {
    Entry entry;
    std::optional<Entry> replaced;  // what lost its name, or was exchanged
  };
  // Atomic. flags: 1 fails where the new name is there (Error(exists)), 2 exchanges both names, 0 replaces.
  virtual Task<Renamed> rename(InodeId parent, std::string name, InodeId newParent, std::string newName,
                               std::uint32_t flags) = 0;
  virtual Task<Entry> link(InodeId inode, InodeId newParent, std::string newName) = 0;
  // A new mtime waits for the bytes that this client wrote before, and tells nothing of what became of them.
  virtual Task<Entry> setAttr(InodeId inode, AttrChange change) = 0;
  // Tells a tracker what was read here, at most 1000 at a time.
  virtual Task<void> noteReads(std::vector<ReadTime> /*reads*/) { throw Error(Errc::notSupported, "times of reading"); }
  // All changes of names and attributes that returned before are on stable storage.
  virtual Task<void> syncNames() = 0;
  virtual Task<std::optional<std::string>> getXattr(InodeId inode, std::string name) = 0;
  virtual Task<std::vector<std::string>> listXattr(InodeId inode) = 0;
  // flags: 1 it must not be there yet, 2 it must be; 4, with an access ACL: the setgid bit goes. `mode`: permission
  // bits that are set with it.
  virtual Task<void> setXattr(InodeId inode, std::string name, std::string value, std::uint32_t flags,
                              std::optional<std::uint32_t> mode) = 0;
  virtual Task<void> removeXattr(InodeId inode, std::string name) = 0;

  // ---- files
  // A handle on a file whose entry is known (from lookup or create). With `write`, a file that is not in state `open`
  // is made so first. Does not truncate.
  virtual Task<std::shared_ptr<File>> open(Entry entry, OpenMode mode) = 0;
  // By path from the root of the store, with directories and links followed; `create` makes it (mode 0644) if absent.
  virtual Task<std::shared_ptr<File>> openPath(std::string path, OpenMode mode, bool create = false) = 0;
  // Sets the size of a file that need not be open.
  virtual Task<Entry> truncate(InodeId inode, std::uint64_t size) = 0;

  // ---- advisory locks, across hosts; `client` of a lock is filled in here
  // What keeps `lock` from being taken; nullopt: nothing.
  virtual Task<std::optional<FileLock>> getLock(InodeId, FileLock) { throw Error(Errc::notSupported, "locks"); }
  // Takes, changes or (LockType::none) gives up a lock. Error(wouldBlock): somebody else has one that excludes it. With
  // `wait` it waits instead, until it has it or cancelLock(ticket) was called: Error(cancelled). Error(deadlock): the
  // holder waits for us; Error(noSpace): too many locks. `ticket` is the caller's, unique among those that wait.
  virtual Task<void> setLock(InodeId /*inode*/, FileLock /*lock*/, bool /*wait*/, std::uint64_t /*ticket*/) {
    throw Error(Errc::notSupported, "locks");
  }
  // A file was closed, or its process has ended: gives up all locks of this owner of it. Returns when that is done, at
  // the latest after 2 s where no tracker answers; it is tried behind the caller's back until it is done or the lease
  // is over, and errors are not told.
  virtual Task<void> closeLocks(InodeId /*inode*/, LockKind /*kind*/, std::uint64_t /*owner*/) {
    throw Error(Errc::notSupported, "locks");
  }
  virtual void cancelLock(std::uint64_t /*ticket*/) {}
  // Whether locks were taken here for this file, or for this owner of it, and not given up. Asks nobody.
  virtual bool locked(InodeId /*inode*/) const { return false; }
  virtual bool locked(InodeId /*inode*/, LockKind /*kind*/, std::uint64_t /*owner*/) const { return false; }

  // ---- administration: JSON as `vcfs --json` prints it; see docs/operations.md
  virtual Task<std::string> statusJson() = 0;
  virtual Task<std::string> fileJson(InodeId inode) = 0;
  virtual Task<std::string> groupsJson() = 0;
  virtual Task<std::string> usersJson() = 0;
  virtual Task<void> assignUser(std::string user, std::string group) = 0;
  virtual Task<void> setGroup(std::string group, std::uint32_t copies) = 0;
};

}  // namespace vcfs
