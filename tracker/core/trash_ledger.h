#pragma once

#include <cstdint>
#include <map>

#include "common/base/ids.h"

namespace vcfs::tracker {

// How many bytes storage servers get back from the trash, by the time when they are due. No I/O. Keeps one entry for
// each server and `widthNs` in which something is due.
class TrashLedger {
 public:
  explicit TrashLedger(std::int64_t widthNs) : widthNs_(widthNs) {}

  void add(std::int64_t dueNs, StorageId storage, std::uint64_t bytes);
  // Forgets what was due before `nowNs`: the servers have it back, or are about to.
  std::map<StorageId, std::uint64_t> outstanding(std::int64_t nowNs);

 private:
  std::int64_t widthNs_;
  std::map<std::int64_t, std::map<StorageId, std::uint64_t>> due_;  // by the end of the time they are due in
};

}  // namespace vcfs::tracker
