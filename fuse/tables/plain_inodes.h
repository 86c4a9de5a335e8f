#pragma once

#include <cstddef>
#include <unordered_set>

#include "common/base/ids.h"

namespace vcfs::fuse {

// Inodes that are known to have no extended attributes, and so no POSIX ACL: nobody has to be asked. Bounded: forgets
// all when it is full.
class PlainInodes {
 public:
  explicit PlainInodes(std::size_t capacity = 262'144) : capacity_(capacity) {}

  void add(InodeId inode) {
    if (inodes_.size() >= capacity_) inodes_.clear();
    inodes_.insert(inode);
  }
  void remove(InodeId inode) { inodes_.erase(inode); }
  void clear() { inodes_.clear(); }
  bool contains(InodeId inode) const { return inodes_.contains(inode); }

 private:
  const std::size_t capacity_;
  std::unordered_set<InodeId> inodes_;
};

}  // namespace vcfs::fuse
