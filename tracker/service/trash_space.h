#pragma once

#include <map>
#include <memory>

#include "common/async/signal.h"
#include "common/runtime/runtime.h"
#include "tracker/catalog/catalog.h"
#include "tracker/core/trash_ledger.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker {

// How much room each storage server gets back from the trash, for statFs: who deletes recordings until `df` shows room
// must not have to delete more than that. Read from the catalog when somebody asks: what is new in the trash then, and
// now and again all of it (files that were pinned since, or were deleted early). Loop thread only; held alive by its
// coroutines.
class TrashSpace : public std::enable_shared_from_this<TrashSpace> {
 public:
  using Bytes = std::map<StorageId, std::uint64_t>;

  TrashSpace(Runtime& runtime, Catalog& catalog, Duration retention);
  // With everything this tracker deleted before the call. Where reading takes longer than 300 ms, or the catalog fails,
  // what is known so far: too little rather than too much.
  Task<Bytes> get();
  void stop();

 private:
  struct Count {
    explicit Count(std::int64_t widthNs) : ledger(widthNs) {}
    TrashLedger ledger;
    ops::TrashPlace last;
  };
  Task<void> follow();
  Task<void> recount();
  Task<void> readOn(std::shared_ptr<Count> count);

  Runtime& runtime_;
  Catalog& catalog_;
  const std::int64_t widthNs_;
  Signal done_;
  std::shared_ptr<Count> count_;
  TimePoint nextRecount_;
  bool following_ = false;
  bool recounting_ = false;
  bool stopped_ = false;
};

}  // namespace vcfs::tracker
