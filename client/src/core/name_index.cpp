#include "client/src/core/name_index.h"

#include <algorithm>

namespace vcfs::client {

NameIndex::Directory* NameIndex::find(InodeId directory) {
  const auto found = directories_.find(directory);
  return found == directories_.end() ? nullptr : &found->second;
}

// The least recently used one goes. Its lease is recalled some day, for nothing.
NameIndex::Directory& NameIndex::remember(InodeId directory) {
  if (Directory* known = find(directory)) return *known;
  if (directories_.size() >= limits_.directories) {
    auto oldest = directories_.end();
    for (auto it = directories_.begin(); it != directories_.end(); ++it) {
      const bool busy =
          it->second.making > 0 || it->second.state == State::asking || it->second.state == State::listing;
      if (!busy && (oldest == directories_.end() || it->second.used < oldest->second.used)) oldest = it;
    }
    if (oldest != directories_.end()) directories_.erase(oldest);
  }
  return directories_[directory];
}

void NameIndex::giveUp(Directory& directory) {
  directory.state = State::counting;
  directory.makes = 0;
  directory.names.clear();
}

void NameIndex::takeBack(Directory& directory) {
  if (directory.state == State::asking) {
    directory.given = false;
  } else {
    giveUp(directory);
  }
}

std::uint64_t NameIndex::making(InodeId id, const std::string& name, TimePoint now) {
  Directory& directory = remember(id);
  directory.used = ++uses_;
  ++directory.making;
  if (directory.state == State::complete && directory.names.size() >= limits_.names) {
    giveUp(directory);
    directory.notBefore = now + limits_.again;
  }
  if (directory.state != State::counting) {
    directory.names.insert(name);
    return 0;
  }
  if (now - directory.since > std::chrono::seconds(1)) {
    directory.since = now;
    directory.makes = 0;
  }
  if (++directory.makes < limits_.worthAfter || now < directory.notBefore) return 0;
  directory.state = State::asking;
  directory.given = true;
  directory.attempt = ++attempts_;
  directory.names.insert(name);
  return directory.attempt;
}

void NameIndex::made(InodeId id, const std::string& name) {
  Directory* directory = find(id);
  if (directory == nullptr) return;
  if (directory->making > 0) --directory->making;
  // Again: it may have been removed since it was announced.
  if (directory->state != State::counting) directory->names.insert(name);
}

void NameIndex::removed(InodeId id, const std::string& name) {
  Directory* directory = find(id);
  if (directory != nullptr && directory->state == State::complete && directory->making == 0)
    directory->names.erase(name);
}

bool NameIndex::granted(InodeId id, std::uint64_t attempt) {
  Directory* directory = find(id);
  if (directory == nullptr || directory->state != State::asking || directory->attempt != attempt) return false;
  if (!directory->given) {
    giveUp(*directory);
    return false;
  }
  directory->state = State::listing;
  return true;
}

bool NameIndex::found(InodeId id, std::uint64_t attempt, const std::string& name) {
  Directory* directory = find(id);
  if (directory == nullptr || directory->state != State::listing || directory->attempt != attempt) return false;
  directory->names.insert(name);
  return directory->names.size() <= limits_.names;
}

void NameIndex::listed(InodeId id, std::uint64_t attempt) {
  Directory* directory = find(id);
  if (directory == nullptr || directory->attempt != attempt) return;
  if (directory->state == State::listing) directory->state = State::complete;
}

void NameIndex::refused(InodeId id, std::uint64_t attempt, TimePoint now) {
  Directory* directory = find(id);
  if (directory == nullptr || directory->attempt != attempt) return;
  giveUp(*directory);
  directory->notBefore = now + limits_.again;
}

void NameIndex::recalled(InodeId id, TimePoint now) {
  Directory* directory = find(id);
  if (directory == nullptr) return;
  directory->notBefore = now + limits_.again;
  takeBack(*directory);
}

void NameIndex::lost() {
  for (auto& [id, directory] : directories_) takeBack(directory);
}

bool NameIndex::denies(InodeId id, const std::string& name) const {
  const auto found = directories_.find(id);
  return found != directories_.end() && found->second.state == State::complete && found->second.names.count(name) == 0;
}

}  // namespace vcfs::client
