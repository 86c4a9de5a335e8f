#pragma once

#include <list>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "common/base/ids.h"

namespace vcfs::fuse {

// Directories of which this mount knows every name: it made them, or listed them to the end, and has seen every change
// since (its own, and those of others by push). The kernel looks each name up before it creates or renames to it;
// here the answer "no such name" costs no question to a tracker. Only absence is told from this, never presence.
//
// Bounded: the directory used least recently is forgotten first, and forgetting is always harmless. Loop thread only.
class NameIndex {
 public:
  explicit NameIndex(std::size_t capacity = 100'000) : capacity_(capacity) {}  // names, all directories together

  void known(InodeId directory, std::unordered_set<std::string> names);  // these are all it has
  bool absent(InodeId directory, const std::string& name);               // known for certain not to be there
  void added(InodeId directory, const std::string& name);
  void removed(InodeId directory, const std::string& name);
  void forget(InodeId directory);
  void forgetAll();
  std::size_t names() const { return total_; }

 private:
  struct Directory {
    std::unordered_set<std::string> names;
    std::list<InodeId>::iterator place;
  };
  void makeRoom();

  const std::size_t capacity_;
  std::size_t total_ = 0;  // names, and one per directory
  std::unordered_map<InodeId, Directory> directories_;
  std::list<InodeId> recent_;  // most recently used first
};

// Around an operation that changes a directory's names: unless it ends well, what the directory holds is not known.
class NameChange {
 public:
  NameChange(NameIndex& index, InodeId directory) : index_(index), directory_(directory) {}
  NameChange(const NameChange&) = delete;
  ~NameChange() {
    if (!settled_) index_.forget(directory_);
  }
  void settle() { settled_ = true; }

 private:
  NameIndex& index_;
  const InodeId directory_;
  bool settled_ = false;
};

}  // namespace vcfs::fuse
