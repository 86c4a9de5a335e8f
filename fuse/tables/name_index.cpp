#include "fuse/tables/name_index.h"

namespace vcfs::fuse {

void NameIndex::known(InodeId directory, std::unordered_set<std::string> names) {
  forget(directory);
  if (names.size() >= capacity_) return;
  recent_.push_front(directory);
  total_ += names.size() + 1;
  directories_[directory] = Directory{std::move(names), recent_.begin()};
  makeRoom();
}

bool NameIndex::absent(InodeId directory, const std::string& name) {
  auto found = directories_.find(directory);
  if (found == directories_.end()) return false;
  recent_.splice(recent_.begin(), recent_, found->second.place);
  return found->second.names.count(name) == 0;
}

void NameIndex::added(InodeId directory, const std::string& name) {
  auto found = directories_.find(directory);
  if (found == directories_.end()) return;
  if (found->second.names.insert(name).second) ++total_;
  makeRoom();
}

void NameIndex::removed(InodeId directory, const std::string& name) {
  auto found = directories_.find(directory);
  if (found == directories_.end()) return;
  total_ -= found->second.names.erase(name);
}

void NameIndex::forget(InodeId directory) {
  auto found = directories_.find(directory);
  if (found == directories_.end()) return;
  total_ -= found->second.names.size() + 1;
  recent_.erase(found->second.place);
  directories_.erase(found);
}

void NameIndex::forgetAll() {
  directories_.clear();
  recent_.clear();
  total_ = 0;
}

void NameIndex::makeRoom() {
  while (total_ > capacity_ && !recent_.empty()) forget(recent_.back());
}

}  // namespace vcfs::fuse
