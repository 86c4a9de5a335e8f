#pragma once

#include <cstdint>
#include <map>

#include "common/base/ids.h"

namespace vcfs::tracker {

// How many bytes storage servers get back from the trash, by the time when they are due. No I/O. Keeps one entry for
// each server and `widthNs` in which something is due, of at most kMostSpans of them.
class TrashLedger {
 public:
  static constexpr std::int64_t kMostSpans = 1000;

  // What is due counts for `lingerNs` more: until the servers have deleted it and have told so.
  TrashLedger(std::int64_t widthNs, std::int64_t lingerNs) : widthNs_(widthNs), lingerNs_(lingerNs) {}

  // What other trackers keep for longer counts as due after kMostSpans. What is overdue counts for ever, that is until
  // all is counted anew: whoever should have deleted it is late, and nobody knows by how much.
  void add(std::int64_t dueNs, StorageId storage, std::uint64_t bytes, std::int64_t nowNs);
  // Forgets what does not count any more at `nowNs`.
  const std::map<StorageId, std::uint64_t>& outstanding(std::int64_t nowNs);

 private:
  std::int64_t widthNs_;
  std::int64_t lingerNs_;
  std::map<std::int64_t, std::map<StorageId, std::uint64_t>> due_;  // by the time when it counts no more
  std::map<StorageId, std::uint64_t> sum_;                          // of all of it
};

}  // namespace vcfs::tracker
