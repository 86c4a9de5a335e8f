#include <set>

#include "common/base/error.h"
#include "tracker/ops/operations.h"

// A catalog that was restored from a backup goes on from what the disks have.
namespace vcfs::tracker::ops {

namespace {

constexpr std::size_t kMostHolders = 8;

void check(const Newest& newest) {
  if (newest.newest <= newest.epoch || newest.newest >= Epoch{INT64_MAX}) {
    throw Error(Errc::invalid, "adoptNewer: the epoch of the disks is not later than the catalog's");
  }
  const std::set<StorageId> holders(newest.holders.begin(), newest.holders.end());
  if (holders.empty() || holders.size() > kMostHolders || holders.size() != newest.holders.size()) {
    throw Error(Errc::invalid, "adoptNewer: 1 to 8 different holders");
  }
}

void checkHolders(const Newest& newest, const FileNeeds& needs, const PlacementView& view) {
  for (StorageId holder : newest.holders) {
    const bool barred = std::find(needs.barred.begin(), needs.barred.end(), holder) != needs.barred.end();
    if (view.find(holder) != nullptr && !barred) continue;
    throw Error(Errc::invalid, "adoptNewer: storage server " + std::to_string(holder) +
                                   (barred ? " has still to delete its replica" : " is not in the catalog"));
  }
}

}  // namespace

Task<LayoutChange> adoptNewer(SqlTx& tx, Newest newest, Occasion occasion) {
  check(newest);
  LayoutChange change;
  auto row = co_await findInode(tx, newest.inode, Lock::rows);
  if (!row || !row->isFile()) co_return change;
  if (row->attr.epoch == newest.epoch) {
    const FileNeeds needs = co_await needsOf(tx, *row, *occasion.view);
    checkHolders(newest, needs, *occasion.view);
    ReplicaSet next = adoptHolders(row->replicas, newest.holders);
    row = co_await storeReplicas(tx, std::move(*row), std::move(next), occasion.now, newest.newest);
    change.changed = true;
  }
  change.layout = row->layout();
  co_return change;
}

}  // namespace vcfs::tracker::ops
