#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "vcfs/cluster.h"

// The library for programs without an event loop: every call blocks its caller until it is done, from any thread,
// several at once. A BlockingCluster has one thread of its own that runs the loop. The calls mean, wait and throw what
// their namesakes in cluster.h and file.h say; none of them may be made from a call-back of this library.
namespace vcfs {

struct BlockingSession;  // the thread and its loop

class BlockingFile {
 public:
  ~BlockingFile();  // closes; an error goes to the log: call close() to be told
  BlockingFile(const BlockingFile&) = delete;
  BlockingFile& operator=(const BlockingFile&) = delete;

  InodeId inode() const;
  // Returns how many bytes were read; fewer than asked for only at the end of the file.
  std::size_t read(std::uint64_t offset, std::span<std::byte> out);
  // Copies the bytes; returns when they are in the send window. They are on every replica after flush().
  void write(std::uint64_t offset, std::span<const std::byte> data);
  void flush();
  void sync();
  void truncate(std::uint64_t size);
  Attr stat();
  // Waits until the published size differs from `known`, the file is sealed, or `limit` has passed.
  Growth waitForGrowth(std::uint64_t known, std::chrono::milliseconds limit);
  void close();

 private:
  friend class BlockingCluster;
  struct Impl;
  explicit BlockingFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class BlockingCluster {
 public:
  explicit BlockingCluster(ClusterOptions options);
  ~BlockingCluster();  // sends what is left of every open file and disconnects
  BlockingCluster(const BlockingCluster&) = delete;
  BlockingCluster& operator=(const BlockingCluster&) = delete;

  // Paths start at the root of the store. Files must be closed before the BlockingCluster is destroyed.
  std::unique_ptr<BlockingFile> open(const std::string& path, OpenMode mode = {}, bool create = false);
  Attr stat(const std::string& path);                   // throws Error(notFound)
  std::vector<DirEntry> list(const std::string& path);  // the whole directory
  void makeDirectory(const std::string& path, std::uint32_t mode = 0755);
  void remove(const std::string& path);  // a file, link or empty directory
  void rename(const std::string& from, const std::string& to);
  void syncNames();
  std::string statusJson();

 private:
  std::shared_ptr<BlockingSession> impl_;
};

}  // namespace vcfs
