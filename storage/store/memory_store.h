#pragma once

#include <map>
#include <mutex>
#include <set>

#include "storage/store/store.h"

namespace vcfs::storage {

// Store in memory, for tests and simulation: injected errors, a bounded disk, and power cuts that lose what was not
// synced.
class MemoryStore final : public Store {
 public:
  explicit MemoryStore(std::uint64_t capacityBytes = 1ULL << 40) : capacity_(capacityBytes) {}

  std::shared_ptr<ReplicaFile> file(InodeId inode) override;
  std::optional<LoadedReplica> load(InodeId inode) override;
  bool remove(InodeId inode) override;
  void scan(const std::function<void(InodeId)>& visit) override;
  DiskSpace space() override;
  void syncAll() override;
  void markActive(InodeId inode) override;
  void markStable(const std::vector<InodeId>& inodes) override;
  void syncActiveList() override;
  std::vector<InodeId> activeFiles() override;
  bool machineStayedUp() const override { return machineStayedUp_; }
  std::uint64_t powerLosses() const override { return powerLosses_; }
  void machineChecked() override { machineStayedUp_ = true; }
  StorageId storageId() const override { return storageId_; }
  std::string cluster() const override { return cluster_; }
  std::string uuid() const override { return uuid_; }
  void setIdentity(StorageId id, const std::string& cluster, const std::string& uuid) override;

  // ---- for tests ----
  void failWrites(Errc code) { writeError_ = code; }  // Errc::ok: no more
  void failActiveList(Errc code) { activeError_ = code; }
  void failScans(Errc code) { scanError_ = code; }  // what is told before that is not all
  void failReads(Errc code) { readError_ = code; }
  void failRemovals(Errc code) { removeError_ = code; }
  void failSyncs(Errc code) { syncError_ = code; }  // and gives up what was to be written, as the kernel does
  std::size_t syncsFailed() const { return syncsFailed_; }
  void setCapacity(std::uint64_t bytes) { capacity_ = bytes; }
  // The machine lost power: every file is as it was last synced; one that never was is gone, and so is what the list of
  // active files learnt since it was last synced.
  void losePower();
  std::string content(InodeId inode);  // "" when absent
  std::string durable(InodeId inode);  // what a loss of power would leave of that
  // Changes bytes behind everybody's back.
  void corrupt(InodeId inode, std::uint64_t offset, std::string bytes);

 private:
  friend class MemoryFile;
  static constexpr std::uint64_t kChunk = 64u << 10;
  struct Content {
    std::map<std::uint64_t, std::shared_ptr<const std::string>> chunks;  // absent: a hole; never changed, only replaced
    std::uint64_t size = 0;
    ReplicaMeta meta;
  };
  struct Entry {
    Content now;
    std::optional<Content> durable;
    std::set<std::uint64_t> dirty;  // chunks to be written by the next sync; a failed one gives them up
    bool gaveUp = false;            // so did a sync of the whole disk: the file's own next one tells, once
    std::string user, name;
  };
  Entry& need(InodeId inode);
  static char* change(Entry& entry, std::uint64_t chunk);
  static void makeDurable(Entry& entry);
  std::uint64_t usedBytes() const;

  mutable std::mutex mutex_;
  std::map<InodeId, Entry> files_;
  std::set<InodeId> active_;
  std::set<InodeId> durableActive_;
  std::uint64_t capacity_;
  StorageId storageId_ = 0;
  std::string cluster_;
  std::string uuid_;
  Errc writeError_ = Errc::ok;
  Errc activeError_ = Errc::ok;
  Errc readError_ = Errc::ok;
  Errc removeError_ = Errc::ok;
  Errc scanError_ = Errc::ok;
  Errc syncError_ = Errc::ok;
  std::size_t syncsFailed_ = 0;
  bool machineStayedUp_ = true;
  std::uint64_t powerLosses_ = 0;
};

}  // namespace vcfs::storage
