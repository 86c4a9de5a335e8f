#pragma once

#include <random>

#include "common/runtime/blocking_pool.h"
#include "storage/store/memory_store.h"

// A storage process's view of its disk, with faults. The MemoryStore behind it is the disk itself, which outlives the
// process: after die() nothing gets there any more, whatever the dead process still has queued.
namespace vcfs::sim {

struct DiskFaults {
  Errc writes = Errc::ok;  // noSpace: only what would need room
  Errc reads = Errc::ok;
  Errc syncs = Errc::ok;  // a failed sync gives up what it should have written
  unsigned oneIn = 1;     // of the calls concerned
  Duration delay{};       // of every job on the pools
  bool any() const { return writes != Errc::ok || reads != Errc::ok || syncs != Errc::ok || delay > Duration{}; }
};

class ProcessDisk final : public storage::Store {
 public:
  ProcessDisk(storage::MemoryStore& disk, std::shared_ptr<const DiskFaults> faults, std::uint64_t seed);

  void die() { state_->alive = false; }

  std::shared_ptr<storage::ReplicaFile> file(InodeId inode) override;
  std::optional<storage::LoadedReplica> load(InodeId inode) override;
  bool remove(InodeId inode) override;
  void scan(const std::function<void(InodeId)>& visit) override;
  storage::DiskSpace space() override;
  void syncAll() override;
  void markActive(InodeId inode) override;
  void markStable(const std::vector<InodeId>& inodes) override;
  void syncActiveList() override;
  std::vector<InodeId> activeFiles() override { return state_->disk.activeFiles(); }
  bool machineStayedUp() const override { return machineStayedUp_; }
  std::uint64_t powerLosses() const override { return powerLosses_; }
  void machineChecked() override {
    if (state_->alive) state_->disk.machineChecked();
  }
  StorageId storageId() const override { return state_->disk.storageId(); }
  std::string cluster() const override { return state_->disk.cluster(); }
  std::string uuid() const override { return state_->disk.uuid(); }
  void setIdentity(StorageId id, const std::string& cluster, const std::string& uuid) override;

  struct State {
    storage::MemoryStore& disk;
    std::shared_ptr<const DiskFaults> faults;
    std::mt19937_64 random;
    bool alive = true;
    void use() const;  // throws when the process is dead
    bool struck(Errc fault) { return fault != Errc::ok && random() % faults->oneIn == 0; }
  };

 private:
  std::shared_ptr<State> state_;
  const bool machineStayedUp_;
  const std::uint64_t powerLosses_;
};

// Mostly quick; now and then a disk is busy with something else. In one run of three, no time at all. `random` outlives
// it.
std::function<Duration()> usualDiskTime(std::mt19937_64& random);

// Jobs run in order, each a while after it came to its turn.
std::unique_ptr<BlockingPool> makeSimPool(asio::io_context& io, Clock& clock, std::function<Duration()> takes);

}  // namespace vcfs::sim
