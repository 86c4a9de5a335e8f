#pragma once

#include "storage/store/disk_store.h"

namespace vcfs::storage {

// A replica on disk. Must not outlive its store.
class DiskFile final : public ReplicaFile {
 public:
  DiskFile(DiskStore& store, InodeId inode) : store_(store), inode_(inode) {}
  ~DiskFile() override { store_.descriptors_.drop(slot_); }

  bool isOpen() const override { return store_.descriptors_.isOpen(slot_); }
  void create(const ReplicaMeta& meta, const std::string& user, const std::string& name) override;
  void writeMeta(const ReplicaMeta& meta) override;
  void pwrite(std::span<const std::byte> data, std::uint64_t offset) override;
  std::size_t pread(std::span<std::byte> into, std::uint64_t offset) override;
  std::size_t preadInSteps(std::span<std::byte> into, std::uint64_t offset) override;
  void pwriteUncached(std::span<const std::byte> data, std::uint64_t offset) override;
  std::optional<std::size_t> tryPread(std::span<std::byte> into, std::uint64_t offset) override;
  void sync() override;
  void dropCache() override;
  void truncate(std::uint64_t size) override;
  void allocate(std::uint64_t offset, std::uint64_t length, std::uint32_t mode) override;
  std::optional<std::uint64_t> seek(std::uint64_t offset, bool hole) override;
  FileStat stat() override;

 private:
  std::shared_ptr<Fd> open();  // throws notFound
  std::shared_ptr<Fd> openCached();
  std::shared_ptr<Fd> make();
  Error failure(const char* doing, int error) const;
  void describe(const Fd& file, const std::string& text, const ReplicaMeta& meta);
  void writeTo(const Fd& file, std::span<const std::byte> data, std::uint64_t offset);
  std::size_t readFrom(const Fd& file, std::span<std::byte> into, std::uint64_t offset);
  void startWriteback(int fd, std::uint64_t offset, std::uint64_t length);

  DiskStore& store_;
  const InodeId inode_;
  FdCache::Slot slot_;
  std::atomic<std::uint64_t> unstarted_{0};  // bytes written since writeback was last started
};

}  // namespace vcfs::storage
