#pragma once

#include <atomic>
#include <string>

#include "storage/store/active_log.h"
#include "storage/store/data_directory.h"
#include "storage/store/fd_cache.h"
#include "storage/store/store.h"

namespace vcfs::storage {

struct DiskStoreOptions {
  std::string directory;
  std::string name;
  std::uint64_t reserveBytes = 0;  // new files are refused when less is free
  std::size_t openFiles = 1024;
  std::uint64_t writebackBytes = 8u << 20;  // start writing to disk after that many new bytes of a file; 0: never
};

// Store on a directory of a local filesystem with extended attributes (ext4, xfs). docs/storage-format.md.
class DiskStore final : public Store {
 public:
  explicit DiskStore(DiskStoreOptions options);  // throws Error(invalid) as DataDirectory
  ~DiskStore() override;

  std::shared_ptr<ReplicaFile> file(InodeId inode) override;
  std::optional<LoadedReplica> load(InodeId inode) override;
  bool remove(InodeId inode) override;
  void scan(const std::function<void(InodeId)>& visit) override;
  DiskSpace space() override;
  void syncAll() override;
  void markActive(InodeId inode) override { active_.add(inode); }
  void markStable(const std::vector<InodeId>& inodes) override { active_.remove(inodes); }
  void syncActiveList() override { active_.sync(); }
  std::vector<InodeId> activeFiles() override { return active_.list(); }
  bool machineStayedUp() const override { return directory_.machineStayedUp(); }
  std::uint64_t powerLosses() const override { return directory_.powerLosses(); }
  void machineChecked() override { directory_.machineChecked(); }
  StorageId storageId() const override { return directory_.storageId(); }
  std::string cluster() const override { return directory_.cluster(); }
  std::string uuid() const override { return directory_.uuid(); }
  void setIdentity(StorageId id, const std::string& cluster, const std::string& uuid) override {
    directory_.setIdentity(id, cluster, uuid);
  }

  void markClean() { directory_.markClean(); }
  std::size_t openFiles() const { return descriptors_.size(); }

 private:
  friend class DiskFile;
  const DiskStoreOptions options_;
  DataDirectory directory_;
  ActiveLog active_;
  FdCache descriptors_;
};

}  // namespace vcfs::storage
