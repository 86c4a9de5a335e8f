#include "tracker/core/lock_table.h"

#include <algorithm>

namespace vcfs::tracker {

namespace {

bool overlaps(const FileLock& a, const FileLock& b) { return a.start <= b.end && b.start <= a.end; }

// `a` ends right before `b` begins, or they overlap.
bool touches(const FileLock& a, const FileLock& b) { return a.end == kLockToEnd || a.end + 1 >= b.start; }

// What is left of `lock` outside of `cut`.
void addRest(std::vector<FileLock>& rest, const FileLock& lock, const FileLock& cut) {
  if (!overlaps(lock, cut)) {
    rest.push_back(lock);
    return;
  }
  if (lock.start < cut.start) {
    rest.push_back(lock);
    rest.back().end = cut.start - 1;
  }
  if (lock.end > cut.end) {
    rest.push_back(lock);
    rest.back().start = cut.end + 1;
  }
}

std::vector<FileLock> joined(std::vector<FileLock> locks) {
  std::sort(locks.begin(), locks.end(), [](const FileLock& a, const FileLock& b) { return a.start < b.start; });
  std::vector<FileLock> result;
  for (const FileLock& lock : locks) {
    if (!result.empty() && result.back().type == lock.type && touches(result.back(), lock)) {
      result.back().end = std::max(result.back().end, lock.end);
    } else {
      result.push_back(lock);
    }
  }
  return result;
}

std::vector<FileLock> without(const std::vector<FileLock>& from, const std::vector<FileLock>& what) {
  std::vector<FileLock> rest;
  for (const FileLock& lock : from) {
    if (std::find(what.begin(), what.end(), lock) == what.end()) rest.push_back(lock);
  }
  return rest;
}

}  // namespace

std::optional<FileLock> conflictOf(const std::vector<FileLock>& held, const FileLock& wanted) {
  std::optional<FileLock> first;
  if (wanted.type == LockType::none) return first;
  for (const FileLock& lock : held) {
    const bool excludes = lock.type == LockType::exclusive || wanted.type == LockType::exclusive;
    if (!excludes || sameOwner(lock, wanted) || !overlaps(lock, wanted)) continue;
    if (!first || lock.start < first->start) first = lock;
  }
  return first;
}

LockEdit editFor(const std::vector<FileLock>& held, const FileLock& wanted) {
  std::vector<FileLock> before;
  std::vector<FileLock> after;
  LockEdit edit;
  for (const FileLock& lock : held) {
    if (!sameOwner(lock, wanted)) continue;
    before.push_back(lock);
    addRest(after, lock, wanted);
    if (overlaps(lock, wanted) && wanted.type < lock.type) edit.gaveUp = true;
  }
  if (wanted.type != LockType::none) after.push_back(wanted);
  after = joined(std::move(after));
  edit.remove = without(before, after);
  edit.add = without(after, before);
  return edit;
}

}  // namespace vcfs::tracker
