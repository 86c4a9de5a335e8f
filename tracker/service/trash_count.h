#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "tracker/core/trash_ledger.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker {

// What was read of the trash so far. No I/O. Its end is read again and again, since what is deleted is not committed in
// the order in which it is due; what was counted there is remembered, and counted once.
class TrashCount {
 public:
  explicit TrashCount(TrashLedger ledger) : ledger_(std::move(ledger)) {}

  // Where to read on: 5 s before the end.
  ops::TrashPlace again() const;
  void add(const ops::TrashSpacePage& page, std::int64_t nowNs);
  const std::map<StorageId, std::uint64_t>& outstanding(std::int64_t nowNs) { return ledger_.outstanding(nowNs); }
  std::size_t remembered() const { return recent_.size(); }

  std::uint64_t upTo = 0;  // the number of the last reading that ended here, or failed

 private:
  using Key = std::pair<std::int64_t, InodeId>;  // due, inode

  TrashLedger ledger_;
  Key last_;
  std::set<Key> recent_;  // that were counted
};

}  // namespace vcfs::tracker
