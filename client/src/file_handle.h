#pragma once

#include "client/src/file_node.h"
#include "vcfs/file.h"

namespace vcfs::client {

class NameLog;

// One open file of the library's user: its access mode, its reading position for read-ahead, and which errors it was
// told.
class FileHandle final : public File, public std::enable_shared_from_this<FileHandle> {
 public:
  FileHandle(std::shared_ptr<FileNode> node, OpenMode mode, std::weak_ptr<Cluster> cluster,
             std::shared_ptr<NameLog> names);
  ~FileHandle() override;
  // Second half of the constructor: registers as a writer.
  Task<void> begin(bool fresh);

  InodeId inode() const override { return node_->inode(); }
  Task<std::vector<Piece>> read(std::uint64_t offset, std::size_t length) override;
  void willRead(std::uint64_t offset, std::size_t length) override;
  void willPause() override;
  Task<std::size_t> readInto(std::uint64_t offset, std::span<std::byte> out) override;
  Task<void> write(std::uint64_t offset, std::span<const std::byte> data, std::shared_ptr<const void> owner) override;
  Task<void> flush(bool last) override;
  Task<void> drain() override;
  bool unsent() const override { return node_->hasWrites() && node_->writes().window().wholeAndUnsent(); }
  Task<void> sync() override;
  Task<void> truncate(std::uint64_t size) override;
  Task<void> allocate(std::uint64_t offset, std::uint64_t length, std::uint32_t mode) override;
  Task<std::uint64_t> seek(std::uint64_t offset, bool hole) override;
  Task<std::uint64_t> copyFrom(std::shared_ptr<File> source, std::uint64_t sourceOffset, std::uint64_t offset,
                               std::uint64_t length) override;
  Task<Attr> stat() override;
  Task<Growth> waitForGrowth(std::uint64_t known, std::chrono::milliseconds limit) override;
  Task<void> close() override;

 private:
  void requireWrite(const char* what) const;
  void checkRange(std::uint64_t offset, std::uint64_t length) const;
  // Of bytes that were taken before; `told`: up to which error this kind of call has told it.
  void throwNewError(std::uint64_t& told);
  // Of bytes that were acknowledged, and lost by servers that all lost power.
  void throwNewLoss();
  Task<void> settle(Task<void> work, bool tells);
  Task<std::uint64_t> copyPieces(std::shared_ptr<FileNode> source, std::uint64_t sourceOffset, std::uint64_t offset,
                                 std::uint64_t length);
  Task<void> doSync();

  std::shared_ptr<FileNode> node_;
  const OpenMode mode_;
  std::weak_ptr<Cluster> cluster_;
  std::shared_ptr<NameLog> names_;
  std::shared_ptr<ReadStream> reads_;
  std::uint64_t errorsSeen_ = 0;  // told by flush() or sync()
  // By write(). That may never reach the program: a kernel that sent a large write in pieces, some of which were taken,
  // tells how much was written instead. So flush() and sync() tell it once more.
  std::uint64_t toldByWrite_ = 0;
  std::uint64_t lossesSeen_ = 0;  // told
  bool counted_ = false;          // as a writer of the node
  bool closed_ = false;
};

}  // namespace vcfs::client
