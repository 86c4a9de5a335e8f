#pragma once

#include <span>
#include <unordered_set>

#include "client/src/core.h"
#include "client/src/core/lost_names.h"
#include "client/src/file_node.h"
#include "client/src/lock_client.h"
#include "client/src/name_leases.h"
#include "client/src/name_log.h"
#include "vcfs/cluster.h"

namespace vcfs::client {

// The Cluster of the library's users. names.cpp, name_changes.cpp, xattrs.cpp and administration.cpp hold the calls to
// trackers, cluster_impl.cpp files and the session.
class ClusterImpl final : public Cluster, public std::enable_shared_from_this<ClusterImpl> {
 public:
  ClusterImpl(Runtime& runtime, ClusterOptions options, ClientId client);
  ~ClusterImpl() override;
  Task<void> start();

  Task<void> shutdown() override;
  const ClusterOptions& options() const override { return core_->options; }
  ClientId clientId() const override { return core_->clientId; }
  void onChanged(std::function<void(const Change&)> callback) override { callback_ = std::move(callback); }
  bool changesAreTold() const override { return core_->trackers->settles(); }

  Task<std::optional<Entry>> lookup(InodeId parent, std::string name) override;
  Task<Entry> getAttr(InodeId inode) override;
  Task<Entry> catalogAttr(InodeId inode) override;
  Task<void> refresh(Entry& entry) override;
  Task<void> refreshWithin(Entry& entry, std::chrono::milliseconds limit) override;
  Task<std::optional<Entry>> resolve(InodeId base, std::string path, bool follow) override;
  Task<DirPage> readDir(InodeId directory, std::uint64_t after, std::uint32_t limit, bool layouts) override;
  Task<std::string> readLink(InodeId inode) override;
  Task<InodeId> parent(InodeId directory) override;
  Task<SpaceInfo> statFs(InodeId directory) override;
  Task<Created> create(CreateRequest request) override;
  Task<Entry> mkdir(InodeId parent, std::string name, std::uint32_t mode, std::uint32_t uid, std::uint32_t gid,
                    std::uint32_t umask) override;
  Task<Entry> unlink(InodeId parent, std::string name) override;
  Task<void> rmdir(InodeId parent, std::string name) override;
  Task<Renamed> rename(InodeId parent, std::string name, InodeId newParent, std::string newName,
                       std::uint32_t flags) override;
  Task<Entry> link(InodeId inode, InodeId newParent, std::string newName) override;
  Task<Entry> setAttr(InodeId inode, AttrChange change) override;
  Task<void> noteReads(std::vector<ReadTime> reads) override;
  Task<void> syncNames() override;
  Task<std::optional<std::string>> getXattr(InodeId inode, std::string name) override;
  Task<std::vector<std::string>> listXattr(InodeId inode) override;
  Task<void> setXattr(InodeId inode, std::string name, std::string value, std::uint32_t flags,
                      std::optional<std::uint32_t> mode) override;
  Task<void> removeXattr(InodeId inode, std::string name) override;

  Task<std::shared_ptr<File>> open(Entry entry, OpenMode mode) override;
  Task<std::shared_ptr<File>> openPath(std::string path, OpenMode mode, bool create) override;
  Task<Entry> truncate(InodeId inode, std::uint64_t size) override;

  Task<std::optional<FileLock>> getLock(InodeId inode, FileLock lock) override { return locks_->get(inode, lock); }
  Task<void> setLock(InodeId inode, FileLock lock, bool wait, std::uint64_t ticket) override {
    return locks_->set(inode, lock, wait, ticket);
  }
  Task<void> closeLocks(InodeId inode, LockKind kind, std::uint64_t owner) override {
    return locks_->close(inode, kind, owner);
  }
  void cancelLock(std::uint64_t ticket) override { locks_->cancel(ticket); }
  bool locked(InodeId inode) const override { return locks_->locked(inode); }
  bool locked(InodeId inode, LockKind kind, std::uint64_t owner) const override {
    return locks_->locked(inode, kind, owner);
  }

  Task<std::string> statusJson() override;
  Task<std::string> fileJson(InodeId inode) override;
  Task<std::string> groupsJson() override;
  Task<std::string> usersJson() override;
  Task<void> assignUser(std::string user, std::string group) override;
  Task<void> setGroup(std::string group, std::uint32_t copies) override;

 private:
  std::shared_ptr<FileNode> growing(const Entry& entry);
  std::shared_ptr<FileNode> known(InodeId inode) const;  // null when nothing of this process uses it
  Task<Entry> createIn(InodeId parent, std::string name);
  void gone(const Entry& entry);  // a name of it was taken away, or exchanged
  void changed(const Change& change);
  void armTick();
  void tick();
  Task<void> pin(std::vector<InodeId> inodes);
  void pinSoon(InodeId inode);
  void pinAgain(std::span<const InodeId> inodes);  // a pin of them failed
  // Inodes that are pinned together, if they are open then.
  struct Pins {
    std::unordered_set<InodeId> inodes;
    std::unique_ptr<Clock::Timer> timer;
  };
  void armPins(Pins& pins, Duration pause);
  void pinGathered(Pins& pins);

  std::shared_ptr<Core> core_;
  std::shared_ptr<NameLog> names_;
  std::shared_ptr<NameLeases> leases_;
  std::shared_ptr<LockClient> locks_;
  std::function<void(const Change&)> callback_;
  std::unordered_set<InodeId> fresh_;  // created here and not opened yet: nobody else can have sealed them
  std::unique_ptr<Clock::Timer> tickTimer_;
  LostNames lostNames_;
  Pins toPin_;
  Pins unpinned_;
  unsigned ticks_ = 0;
  bool stopped_ = false;
};

}  // namespace vcfs::client
