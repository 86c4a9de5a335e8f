#pragma once

#include <memory>
#include <string>

#include "common/runtime/blocking_pool.h"
#include "common/runtime/runtime.h"
#include "vcfs/file.h"

namespace vcfs::cli {

// One end of a copy on this machine: a file, standard input or standard output. What blocks (a slow pipe) runs on a
// thread of its own, so that the connection to the cluster stays alive. Loop thread only.
class LocalStream {
 public:
  static std::unique_ptr<LocalStream> source(Runtime& runtime, const std::string& path);  // "-": standard input
  static std::unique_ptr<LocalStream> sink(Runtime& runtime, const std::string& path);    // "-": standard output
  ~LocalStream();

  // Up to 1 MiB, what there is; empty at the end.
  Task<std::string> read();
  // False when nobody reads standard output any more (a closed pipe): stop, without an error.
  Task<bool> write(std::string bytes);
  // Of a regular file: what close(2) and fsync(2) have to say.
  Task<void> finish();

 private:
  LocalStream(Runtime& runtime, int fd, bool owned, std::string name);
  std::unique_ptr<BlockingPool> pool_;
  int fd_;
  bool owned_;
  std::string name_;
};

// Everything of `source` to `file`, from offset 0. Returns the number of bytes.
Task<std::uint64_t> upload(std::shared_ptr<File> file, LocalStream& source);
// The published bytes of `file` to `sink`; with `follow`, what comes later too, until it is sealed.
Task<std::uint64_t> download(std::shared_ptr<File> file, LocalStream& sink, bool follow);

}  // namespace vcfs::cli
