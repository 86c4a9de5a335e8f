#pragma once

#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/base/ids.h"

namespace vcfs::storage {

// The list of active files (store.h): lines "+<id>" and "-<id>" appended to <data>/active, rewritten at open and, by
// sync(), when it has grown. One write() per change; the server calls sync() each second, so that after a power cut
// only files made in the last second are missing. Thread-safe.
class ActiveLog {
 public:
  ActiveLog(int directory, std::string path);  // throws Error(io); needs no room on the disk
  ~ActiveLog();
  void add(InodeId inode);  // throws Error(noSpace, io); it is not in the list then
  void remove(const std::vector<InodeId>& inodes);
  void sync();  // fdatasync, when something changed since the last one was begun: calls must not overlap
  std::vector<InodeId> list() const;

 private:
  void load();
  void rewrite();
  void rewriteGrown();
  void keep();
  void append(const std::string& lines);

  const int directory_;
  const std::string path_;
  mutable std::mutex mutex_;
  std::set<InodeId> active_;
  std::size_t lines_ = 0;
  bool dirty_ = false;
  bool renamed_ = false;  // rewritten since the last sync: its name is not durable
  bool torn_ = false;     // the file may end in part of a line
  int fd_ = -1;
};

}  // namespace vcfs::storage
