#pragma once

#include "common/async/signal.h"
#include "common/runtime/runtime.h"
#include "fuse/kernel_cache.h"
#include "fuse/mount_settings.h"
#include "fuse/policy/kept_listings.h"
#include "fuse/policy/open_ahead.h"
#include "fuse/policy/questions.h"
#include "fuse/session/request.h"
#include "fuse/tables/change_log.h"
#include "fuse/tables/directory_names.h"
#include "fuse/tables/handle_table.h"
#include "fuse/tables/inode_table.h"
#include "fuse/tables/opened_ahead.h"
#include "fuse/tables/plain_inodes.h"
#include "fuse/tables/read_times.h"
#include "vcfs/cluster.h"

namespace vcfs::fuse {

// The operations of the mount on top of the client library: one coroutine per operation, in ops/*.cpp, each with
// exactly one answer. What an operation throws becomes an errno in perform(). Node numbers are the kernel's (1: the
// mount's root); InodeIds are the store's.
//
// Nothing here decides about bytes or names; it keeps what the kernel caches true (DESIGN.md, "What the kernel may
// believe"). Loop thread only.
class FileSystem : public std::enable_shared_from_this<FileSystem> {
 public:
  // `kernel` outlives the object's last use of it: detach() ends that.
  FileSystem(Runtime& runtime, std::shared_ptr<Cluster> cluster, const MountSettings& settings, KernelCache& kernel);
  void listen();  // to the cluster's changes
  void detach() { kernel_ = nullptr; }

  // Runs an operation to its end and sees to it that the request is answered.
  void perform(RequestPtr request, Task<void> operation);

  // ---- names (ops/names.cpp)
  Task<void> lookup(RequestPtr request, std::uint64_t parent, std::string name);
  Task<void> mknod(RequestPtr request, std::uint64_t parent, std::string name, std::uint32_t mode, std::uint64_t rdev);
  Task<void> mkdir(RequestPtr request, std::uint64_t parent, std::string name, std::uint32_t mode);
  Task<void> unlink(RequestPtr request, std::uint64_t parent, std::string name);
  Task<void> rmdir(RequestPtr request, std::uint64_t parent, std::string name);
  Task<void> symlink(RequestPtr request, std::string target, std::uint64_t parent, std::string name);
  Task<void> readlink(RequestPtr request, std::uint64_t node);
  Task<void> rename(RequestPtr request, std::uint64_t parent, std::string name, std::uint64_t newParent,
                    std::string newName, std::uint32_t flags);
  Task<void> link(RequestPtr request, std::uint64_t node, std::uint64_t newParent, std::string newName);
  void forget(std::uint64_t node);

  // ---- attributes (ops/attributes.cpp, ops/xattrs.cpp)
  Task<void> getattr(RequestPtr request, std::uint64_t node);
  Task<void> setattr(RequestPtr request, std::uint64_t node, struct stat wanted, int which, std::uint64_t handle);
  Task<void> statfs(RequestPtr request, std::uint64_t node);
  Task<void> getxattr(RequestPtr request, std::uint64_t node, std::string name, std::size_t room);
  Task<void> listxattr(RequestPtr request, std::uint64_t node, std::size_t room);
  Task<void> setxattr(RequestPtr request, std::uint64_t node, std::string name, std::string value, int flags);
  Task<void> removexattr(RequestPtr request, std::uint64_t node, std::string name);

  // ---- open files (ops/files.cpp, ops/data.cpp)
  Task<void> open(RequestPtr request, std::uint64_t node, int flags);
  Task<void> create(RequestPtr request, std::uint64_t parent, std::string name, std::uint32_t mode, int flags);
  // `owner`: whose fcntl locks on the file end with this close(2).
  Task<void> flush(RequestPtr request, std::uint64_t handle, std::uint64_t owner);
  Task<void> release(RequestPtr request, std::uint64_t handle);
  Task<void> fsync(RequestPtr request, std::uint64_t handle);
  Task<void> read(RequestPtr request, std::uint64_t handle, std::uint64_t offset, std::size_t size, int flags);
  // `fromPages`: written back by the kernel from mapped pages, not by a write().
  // `flags`: the descriptor's as of now (fcntl may have changed O_APPEND since it was opened).
  Task<void> write(RequestPtr request, std::uint64_t handle, std::uint64_t offset, Piece payload, bool fromPages,
                   int flags);
  Task<void> fallocate(RequestPtr request, std::uint64_t handle, int mode, std::uint64_t offset, std::uint64_t length);
  Task<void> copy(RequestPtr request, std::uint64_t fromHandle, std::uint64_t fromOffset, std::uint64_t handle,
                  std::uint64_t offset, std::uint64_t length);
  Task<void> seek(RequestPtr request, std::uint64_t handle, std::uint64_t offset, bool hole);

  // ---- advisory locks (ops/locks.cpp). The kernel's owner numbers name a process or an open file description.
  Task<void> getlk(RequestPtr request, std::uint64_t node, FileLock lock);
  Task<void> setlk(RequestPtr request, std::uint64_t node, std::uint64_t handle, FileLock lock, bool wait);
  void interruptLock(std::uint64_t unique) { cluster_->cancelLock(unique); }

  // ---- directories (ops/directories.cpp)
  Task<void> opendir(RequestPtr request, std::uint64_t node);
  Task<void> readdir(RequestPtr request, std::uint64_t handle, std::uint64_t offset, std::size_t size, bool plus,
                     int flags);
  void releasedir(std::uint64_t handle);
  Task<void> fsyncdir(RequestPtr request, std::uint64_t node);

  // ---- times of reading (ops/read_times.cpp)
  // Tells a tracker what was read, for at most `limit`. For the end of the mount; else it happens by itself.
  Task<void> tellReadsNow(Duration limit);

  std::size_t openFiles() const { return files_.size(); }
  std::size_t knownInodes() const { return inodes_.size(); }

 private:
  Task<void> guarded(RequestPtr request, Task<void> operation);
  void changed(const Change& change);
  void forgetEverything();
  void forgetAttributes(InodeId id);  // the kernel is to

  InodeId inodeOf(std::uint64_t node) const { return node == FUSE_ROOT_ID ? settings_.root : node; }
  std::uint64_t nodeOf(InodeId inode) const { return inode == settings_.root ? FUSE_ROOT_ID : inode; }

  Task<bool> hasAcl(InodeId inode, std::string name);
  Task<bool> losesSetGid(RequestPtr request, InodeId inode);  // with an access ACL set by this caller
  // What the kernel is told of an entry: how long it may believe it depends on who may be changing it.
  void notePlain(const Entry& entry, std::uint64_t since);  // `since` as with present()
  double attributesLast(const Entry& entry, std::uint64_t since);
  std::chrono::milliseconds believed(std::chrono::milliseconds setting) const;
  fuse_entry_param parameters(const Entry& entry, std::uint64_t since);
  // Makes an entry fit to be told; its size is as of now (Cluster::getAttr and refresh see to that). `since`:
  // changes_.now() from before the question was asked. The caller answers without awaiting anything else.
  Task<void> present(Entry& entry, std::uint64_t since, InodeId parent);
  bool isFresh(const Inode& inode) const;  // what is remembered can be trusted
  Task<Entry> freshEntry(InodeId inode);   // asks unless it is
  // The same for a file that is about to be opened: asks for those along with it that will probably be opened next.
  Task<Entry> entryToOpen(InodeId inode);
  bool mayOpen(const InodePtr& inode) const;
  // Whether what a listing of before told of it may be old. `since` as with present().
  bool mayBeMoving(const Attr& listed, std::uint64_t since);
  Task<void> fetchEntries(OpenAhead::Range range);
  Task<void> openAhead(Entry entry);
  Task<void> expireAhead();
  Task<void> kernelForgot(std::uint64_t node);
  // What the kernel believes of it, when it is not this.
  void forgetOlder(const Entry& entry);
  // The same for an inode that is open here, but does not wait long for trackers: open files go on without them.
  Task<Entry> entryOfOpen(InodePtr inode);
  // The kernel is asking for an inode's attributes: it hears nothing else about them until it has its answer.
  class Asking {
   public:
    Asking(FileSystem& files, InodeId id);
    Asking(const Asking&) = delete;
    Asking& operator=(const Asking&) = delete;
    ~Asking();
    void answered() { kept_ = false; }

   private:
    FileSystem& files_;
    const InodeId id_;
    bool kept_;  // an order to forget what the answer makes new was taken back
  };
  struct Question;
  Task<void> ask(InodeId inode, std::shared_ptr<Question> question);
  void noteOwnChange(const Entry& entry);
  // We changed what is in this directory at `whenNs` (the tracker's time of the change; 0: not known).
  void noteOwnChangeIn(InodeId directory, std::int64_t whenNs, int moreLinks = 0);
  // What the caller may not keep of this mode when they change the file.
  static std::uint32_t withoutPrivilegesOf(const Request& caller, const Attr& attr);
  // The caller, who may not keep them, changes the file's bytes: setuid and setgid go.
  Task<void> dropPrivileges(RequestPtr request, InodePtr inode);
  // Whoever changes a file's bytes: what it may do when it is executed (setcap) is no longer vouched for.
  Task<void> dropCapability(InodePtr inode);

  std::shared_ptr<FileHandle> fileAt(std::uint64_t handle) const;  // throws Error(invalid)
  std::uint64_t openHandle(std::shared_ptr<File> file, InodePtr inode, int flags, fuse_file_info& answer);
  Task<std::shared_ptr<File>> counterpartOf(std::shared_ptr<FileHandle> handle);
  Task<void> flushBytes(std::shared_ptr<FileHandle> file, bool byMaker);
  void watchClosing(const Inode& inode, const FileLock& lock);
  Task<void> unlockAll(InodeId inode, LockKind kind, std::uint64_t owner);
  Task<void> unlockReleased(std::shared_ptr<FileHandle> handle);
  void closeInBackground(std::shared_ptr<FileHandle> handle);
  Task<void> closeFile(std::shared_ptr<FileHandle> handle);
  void withdraw(std::uint64_t handle);  // an open that the kernel did not take
  Task<void> sealMade(Entry entry);
  Task<void> reportMade(RequestPtr request, Entry entry, std::uint64_t since, InodeId parent);
  Task<std::optional<Entry>> setOthers(RequestPtr request, InodeId inode, const struct stat& wanted, int which);

  Task<bool> mayKeepListing(DirHandle& directory);
  Task<void> fillPage(std::shared_ptr<DirHandle> directory, std::uint64_t after);
  Task<InodeId> parentOf(InodeId directory);

  // Something was read, which may move its atime. `flags`: the descriptor's.
  void noteRead(Inode& inode, int flags = 0);
  void noteReadOf(InodeId inode, int flags = 0);  // the same, of what need not be remembered here
  bool nextReadMovesAtime(Inode& inode);
  // A read that the kernel answers from its pages is not heard of: it forgets them where that read moves an atime.
  Task<void> hearOfNextRead(InodeId inode);
  Task<void> tellReads();
  Task<void> tellWaitingReads();
  Task<void> settleReads(InodeId inode);  // before somebody sets its atime
  struct stat toldStat(const Attr& attr);

  Runtime& runtime_;
  std::shared_ptr<Cluster> cluster_;
  const MountSettings& settings_;
  KernelCache* kernel_;
  InodeTable inodes_;
  ChangeLog changes_;
  DirectoryNames directoryNames_;
  OpenAhead ahead_;
  OpenedAhead openedAhead_;
  bool expiringAhead_ = false;
  KeptListings keptListings_;
  PlainInodes plain_;    // have no extended attributes
  Questions questions_;  // GETATTRs
  const AtimeRules atimeRules_;
  const Duration readsDelay_;
  ReadTimes reads_;
  Signal readsTold_;
  bool tellingReads_ = false;
  bool rangeLocksUsed_ = false;  // by anybody on this mount, ever
  HandleTable<FileHandle> files_;
  HandleTable<DirHandle> directories_;
};

}  // namespace vcfs::fuse
