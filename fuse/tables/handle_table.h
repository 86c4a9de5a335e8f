#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "fuse/tables/inode_table.h"
#include "vcfs/file.h"

namespace vcfs::fuse {

// One open file description of the kernel.
struct FileHandle {
  std::shared_ptr<File> file;
  InodePtr inode;
  // Opened for appending when `file` is not, and the other way round: what the kernel writes back from mapped pages has
  // its place, and fcntl(F_SETFL) changes O_APPEND of an open descriptor. Made when it is needed.
  std::shared_ptr<File> counterpart;
  std::vector<std::pair<LockKind, std::uint64_t>> lockOwners;  // who locked something through this handle
  bool append = false;
  std::int64_t opener = 0;  // the thread that opened it
  bool unheard = false;     // the kernel does not tell us of close(), only of the last one
  std::int64_t maker = 0;   // the thread that made the file by opening this handle; 0: it was there
  bool write = false;
  bool direct = false;    // past the page cache
  bool syncEach = false;  // O_SYNC or O_DSYNC
};

// An open directory, with the page of it that is being read out.
struct DirHandle {
  InodeId directory = 0;
  int flags = 0;  // of open(2)
  DirPage page;
  std::uint64_t after = 0;  // the cookie the page begins behind
  bool filled = false;
  std::int64_t ctimeNs = 0;  // the directory's from before it was opened; 0: not known
  TimePoint fetched;
  std::uint64_t change = 0;  // the change log's position when it was fetched
};

// Numbers for the kernel to call our handles by. Loop thread only.
template <class Handle>
class HandleTable {
 public:
  std::uint64_t add(std::shared_ptr<Handle> handle) {
    handles_.emplace(++last_, std::move(handle));
    return last_;
  }
  std::shared_ptr<Handle> find(std::uint64_t number) const {
    auto at = handles_.find(number);
    return at == handles_.end() ? nullptr : at->second;
  }
  std::shared_ptr<Handle> remove(std::uint64_t number) {
    auto at = handles_.find(number);
    if (at == handles_.end()) return nullptr;
    auto handle = std::move(at->second);
    handles_.erase(at);
    return handle;
  }
  std::size_t size() const { return handles_.size(); }
  template <class F>
  void forEach(F f) const {
    for (const auto& [number, handle] : handles_) f(*handle);
  }

 private:
  std::uint64_t last_ = 0;
  std::unordered_map<std::uint64_t, std::shared_ptr<Handle>> handles_;
};

}  // namespace vcfs::fuse
