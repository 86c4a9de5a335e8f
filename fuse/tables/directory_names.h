#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/base/ids.h"

namespace vcfs::fuse {

// Which directory a name was lately found to be, so that whoever still has it open when it is removed is told that it
// has no links any more. Bounded; forgetting everything, and remembering what is no longer so, are harmless.
class DirectoryNames {
 public:
  explicit DirectoryNames(std::size_t capacity = 16'384) : capacity_(capacity) {}

  void add(InodeId parent, const std::string& name, InodeId directory) {
    if (known_.size() >= capacity_) known_.clear();
    known_[key(parent, name)] = directory;
  }
  // Forgets it.
  std::optional<InodeId> take(InodeId parent, const std::string& name) {
    auto at = known_.find(key(parent, name));
    if (at == known_.end()) return std::nullopt;
    auto directory = at->second;
    known_.erase(at);
    return directory;
  }

 private:
  static std::string key(InodeId parent, const std::string& name) { return std::to_string(parent) + '/' + name; }

  const std::size_t capacity_;
  std::unordered_map<std::string, InodeId> known_;
};

}  // namespace vcfs::fuse
