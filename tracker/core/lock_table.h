#pragma once

#include <optional>
#include <vector>

#include "vcfs/types.h"

// What advisory locks mean: which exclude which, and how an owner's ranges change. No I/O.
namespace vcfs::tracker {

inline bool sameOwner(const FileLock& a, const FileLock& b) { return a.client == b.client && a.owner == b.owner; }

// The first of `held` (locks of one file and kind) that keeps `wanted` from being taken; nullopt: none does.
std::optional<FileLock> conflictOf(const std::vector<FileLock>& held, const FileLock& wanted);

// What has to change in the table so that `wanted` is taken (or its range given up): the owner's locks under it are cut
// off or split, neighbours of the same type joined.
struct LockEdit {
  std::vector<FileLock> remove;
  std::vector<FileLock> add;
  bool gaveUp = false;  // somebody else may be able to take now what he could not before
  bool empty() const { return remove.empty() && add.empty(); }
};
LockEdit editFor(const std::vector<FileLock>& held, const FileLock& wanted);

}  // namespace vcfs::tracker
