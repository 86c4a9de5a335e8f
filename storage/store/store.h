#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vcfs/types.h"

namespace vcfs::storage {

// What is written beside a replica's bytes (extended attribute user.vcfs).
struct ReplicaMeta {
  InodeId inode = 0;
  Epoch epoch = 0;
  FileState state = FileState::open;
  std::uint64_t sealedSize = 0;  // when sealed
  std::int64_t mtimeNs = 0;      // as of the seal, the same on every replica; 0: the file's own
  bool unstable = false;         // a sync failed: what can be read may not be on the disk. Until it was caught up
  std::uint64_t powerLoss = 0;   // FileInfo.powerLoss, as of when the machine had lost power `powerLosses` times
  std::uint64_t powerLosses = 0;
  // Of one that is behind: bytes may be missing anywhere in it, because a primary has begun to send it what comes
  // behind a gap, or because this disk refused a write. Says what it is good for should all be gone who have more. It
  // is `open` when it is loaded again, whatever `state` was.
  bool partial = false;
  bool mayHaveGaps() const { return partial || unstable; }
  friend bool operator==(const ReplicaMeta&, const ReplicaMeta&) = default;
};

struct FileStat {
  std::uint64_t size = 0;
  std::uint64_t blocks = 0;  // 512-byte units
  std::int64_t mtimeNs = 0;
};

struct DiskSpace {
  std::uint64_t capacityBytes = 0;
  std::uint64_t freeBytes = 0;  // what is left above the reserve
};

struct LoadedReplica {
  ReplicaMeta meta;
  FileStat stat;
};

// One replica's file. A cheap handle: descriptors behind it are opened when needed and closed by the store's LRU.
// Every call may block (disk) and may be made from any thread; calls on one file must not overlap where their order
// matters. All throw Error (io, noSpace, corrupted, notFound when the file is gone).
class ReplicaFile {
 public:
  virtual ~ReplicaFile() = default;
  virtual bool isOpen() const = 0;  // a descriptor is at hand: no directory will be read

  // Makes the file with its attributes; keeps it, and only sets the attributes, when it is there. Marks it active.
  // noSpace when the disk is down to its reserve.
  virtual void create(const ReplicaMeta& meta, const std::string& user, const std::string& name) = 0;
  virtual void writeMeta(const ReplicaMeta& meta) = 0;
  // All or nothing as far as the file's size goes: a write that failed half-way leaves the old size.
  virtual void pwrite(std::span<const std::byte> data, std::uint64_t offset) = 0;
  // For what nobody is expected to ask for soon (a copy for another server), in order from the file's beginning to its
  // end: it does not take the place of what is being recorded and watched in the machine's memory. In steps, each of
  // them all or nothing; between two of them others get the processor, whatever the kernel.
  virtual void pwriteUncached(std::span<const std::byte> data, std::uint64_t offset) { pwrite(data, offset); }
  virtual std::size_t pread(std::span<std::byte> into, std::uint64_t offset) = 0;  // short at the end of file
  // The same, for who has time: between two steps others get the processor, whatever the kernel.
  virtual std::size_t preadInSteps(std::span<std::byte> into, std::uint64_t offset) { return pread(into, offset); }
  // The same if it can be done without waiting for the disk.
  virtual std::optional<std::size_t> tryPread(std::span<std::byte> into, std::uint64_t offset) = 0;
  // Bytes and attributes are on stable storage. After a failure the next one may succeed although bytes that can be
  // read were never written (the kernel gives such pages up): see dropCache().
  virtual void sync() = 0;
  // From now on reads tell what is on the disk, as far as it is not yet to be written there.
  virtual void dropCache() = 0;
  virtual void truncate(std::uint64_t size) = 0;
  virtual void allocate(std::uint64_t offset, std::uint64_t length, std::uint32_t mode) = 0;  // as for pwrite()
  virtual std::optional<std::uint64_t> seek(std::uint64_t offset, bool hole) = 0;             // nothing: ENXIO
  virtual FileStat stat() = 0;
};

// One disk. Thread-safe. Blocks.
class Store {
 public:
  virtual ~Store() = default;

  virtual std::shared_ptr<ReplicaFile> file(InodeId inode) = 0;  // touches no disk
  virtual std::optional<LoadedReplica> load(InodeId inode) = 0;  // nothing: no such replica
  virtual bool remove(InodeId inode) = 0;
  // Every replica, in no order. Throws when it cannot tell of all, after those of which it can: one that it did not
  // tell of may be there all the same.
  virtual void scan(const std::function<void(InodeId)>& visit) = 0;
  virtual DiskSpace space() = 0;
  virtual void syncAll() = 0;  // everything written so far is on stable storage

  // Active files: those that were created or written and are not yet sealed, reported and on stable storage. The list
  // survives a crash of the process; what a power cut may take from it: see machineStayedUp(). Both may throw: the list
  // is on the same disk.
  virtual void markActive(InodeId inode) = 0;
  virtual void markStable(const std::vector<InodeId>& inodes) = 0;
  // The list as of now survives a power cut; cheap when it did not change. One call at a time.
  virtual void syncActiveList() = 0;
  virtual std::vector<InodeId> activeFiles() = 0;
  // False when the machine went down while this store was in use: unsynced bytes may be missing.
  virtual bool machineStayedUp() const = 0;
  // How often it did, ever. Raised once for each time, durably, before the first process after it sees the disk.
  virtual std::uint64_t powerLosses() const = 0;
  // What may be missing since then is known to the catalog: the next process need not look for it.
  virtual void machineChecked() = 0;

  // The server's identity, kept with the data.
  virtual StorageId storageId() const = 0;  // 0 before the first registration
  virtual std::string cluster() const = 0;
  virtual std::string uuid() const = 0;  // the cluster's (Tracker.hello); empty before a tracker told it
  // Durable on return.
  virtual void setIdentity(StorageId id, const std::string& cluster, const std::string& uuid) = 0;
};

}  // namespace vcfs::storage
