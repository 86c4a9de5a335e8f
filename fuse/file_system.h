#pragma once

#include "fuse/ahead_opener.h"
#include "fuse/atimes.h"
#include "fuse/kernel_view.h"
#include "fuse/known.h"
#include "fuse/policy/kept_listings.h"
#include "fuse/session/request.h"
#include "fuse/tables/directory_names.h"
#include "fuse/tables/handle_table.h"

namespace vcfs::fuse {

// The operations of the mount on top of the client library: one coroutine per operation, in ops/*.cpp, each with
// exactly one answer. What an operation throws becomes an errno in perform(). Node numbers are the kernel's (1: the
// mount's root); InodeIds are the store's.
//
// Nothing here decides about bytes or names. What is known without asking (Known), what the kernel believes
// (KernelView), when something was read (Atimes) and what is opened before it is asked for (AheadOpener) are kept by
// parts of their own; what others change is told to all of them here (changes.cpp). Loop thread only.
class FileSystem : public std::enable_shared_from_this<FileSystem> {
 public:
  // `kernel` outlives the object's last use of it: detach() ends that.
  FileSystem(Runtime& runtime, std::shared_ptr<Cluster> cluster, const MountSettings& settings, KernelCache& kernel);
  void listen();  // to the cluster's changes
  void detach() { kernel_->detach(); }

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
  Task<void> opendir(RequestPtr request, std::uint64_t node, int flags);
  Task<void> readdir(RequestPtr request, std::uint64_t handle, std::uint64_t offset, std::size_t size, bool plus);
  void releasedir(std::uint64_t handle);
  Task<void> fsyncdir(RequestPtr request, std::uint64_t node);

  // Tells a tracker what was read, for at most `limit`. For the end of the mount; else it happens by itself.
  Task<void> tellReadsNow(Duration limit);

  std::size_t openFiles() const { return files_.size(); }
  std::size_t knownInodes() const { return known_->inodes.size(); }

 private:
  // How long an answer about a name waits for the size of a file that grows: who wants to know that asks for it.
  static constexpr std::chrono::milliseconds kPrimaryPatience{300};

  Task<void> guarded(RequestPtr request, Task<void> operation);

  // What somebody else did (changes.cpp).
  void changed(const Change& change);
  void timesChanged(InodeId id);
  void inodeChanged(const Change& change);
  void nameChanged(InodeId directory, const std::string& name);
  void everythingChanged();
  // What we did. See Known.
  std::uint64_t noteOwnChange(const Entry& entry, std::uint64_t asked);
  // In this directory, at `whenNs` (the tracker's time of the change; 0: not known).
  void noteOwnChangeIn(InodeId directory, std::int64_t whenNs, int moreLinks = 0);

  InodeId inodeOf(std::uint64_t node) const { return kernel_->inodeOf(node); }

  // Makes an entry fit to be told; its size is as of now (Cluster::getAttr and refresh see to that). `since`:
  // ChangeLog::now() from before the question was asked. The caller answers without awaiting anything else.
  Task<void> present(Entry& entry, std::uint64_t since, InodeId parent);
  // What the kernel is told of an entry: how long it may believe it depends on who may be changing it.
  fuse_entry_param parameters(const Entry& entry, std::uint64_t since);
  bool tellAttributes(Request& request, const Entry& entry, std::uint64_t since);
  Task<void> tellRemembered(RequestPtr request, InodePtr inode, Entry entry);

  // What `asked` tells; where it does not find the inode any more, what is remembered, without links.
  Task<Entry> orWithoutLinks(InodePtr inode, Task<Entry> asked);
  Task<bool> hasAcl(InodeId inode, std::string name);
  Task<bool> losesSetGid(RequestPtr request, InodeId inode);  // with an access ACL set by this caller
  // What the caller may not keep of this mode when they change the file.
  static std::uint32_t withoutPrivilegesOf(const Request& caller, const Attr& attr);
  // Before a change of the file's bytes: what that takes away goes, setuid and setgid where `setIds`.
  Task<void> endPrivileges(RequestPtr request, InodePtr inode, bool setIds);
  // Somebody else may have set what an open file has to lose by a change of its bytes.
  Task<void> hearOfPrivileges(InodePtr inode);
  // The caller, who may not keep them, changes the file's bytes: setuid and setgid go.
  Task<void> dropPrivileges(RequestPtr request, InodePtr inode);
  // Whoever changes a file's bytes: what it may do when it is executed (setcap) is no longer vouched for.
  Task<void> dropCapability(InodePtr inode);

  std::shared_ptr<FileHandle> fileAt(std::uint64_t handle) const;  // throws Error(invalid)
  std::uint64_t openHandle(std::shared_ptr<File> file, InodePtr inode, int flags, fuse_file_info& answer);
  Task<std::shared_ptr<File>> counterpartOf(std::shared_ptr<FileHandle> handle);
  Task<void> flushBytes(std::shared_ptr<FileHandle> file, bool byMaker);
  void noteLocker(FileHandle& handle, const FileLock& lock);
  void forgetLocker(const Inode& inode, std::uint64_t owner);
  void watchClosing(const Inode& inode, const FileLock& lock);
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

  Runtime& runtime_;
  const std::shared_ptr<Cluster> cluster_;
  const MountSettings& settings_;
  const std::shared_ptr<Known> known_;
  const std::shared_ptr<KernelView> kernel_;
  const std::shared_ptr<Atimes> atimes_;
  const std::shared_ptr<AheadOpener> ahead_;
  void noteDirectoryName(InodeId parent, const std::string& name, const Entry& entry);

  DirectoryNames directoryNames_;
  KeptListings keptListings_;
  bool rangeLocksUsed_ = false;  // by anybody on this mount, ever
  HandleTable<FileHandle> files_;
  HandleTable<DirHandle> directories_;
};

}  // namespace vcfs::fuse
