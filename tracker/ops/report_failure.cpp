#include "common/base/error.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kBarred{"SELECT storage FROM removals WHERE inode = ?"};

Task<LayoutChange> loseOne(SqlTx& tx, FailedReplica failed, StorageId reporter, const Occasion& occasion,
                           const std::map<InodeId, Standings>& asked) {
  LayoutChange change;
  auto row = co_await findInode(tx, failed.inode, Lock::rows);
  if (!row || !row->isFile()) co_return change;
  if (row->attr.epoch == failed.epoch && (!failed.unasked || isMissed(row->replicas, failed.storage, *occasion.view))) {
    const auto said = asked.find(failed.inode);
    if (said == asked.end()) change.heirs = heirs(row->replicas, failed.storage);
    if (!change.heirs.empty()) {
      change.layout = row->layout();
      co_return change;
    }
    FileNeeds needs = co_await needsOf(tx, *row, *occasion.view);
    if (said != asked.end()) needs.standings = said->second;
    const bool bySelf = reporter == failed.storage;
    if (auto next = loseReplica(row->replicas, failed.storage, *occasion.view, needs, bySelf)) {
      row = co_await storeReplicas(tx, std::move(*row), std::move(*next), occasion.now);
      change.changed = true;
    }
  }
  change.layout = row->layout();
  co_return change;
}

}  // namespace

Task<FileNeeds> needsOf(SqlTx& tx, const InodeRow& row, const PlacementView& view) {
  FileNeeds needs;
  needs.leaving = view.leaving();
  needs.group = row.group;
  needs.copies = row.copies;
  needs.seed = row.attr.inode + row.attr.epoch;
  const Rows rows = co_await tx.exec(kBarred, row.attr.inode);
  for (std::size_t i = 0; i < rows.size(); ++i) needs.barred.push_back(static_cast<StorageId>(rows.integer(i, 0)));
  co_return needs;
}

Task<std::vector<LayoutChange>> reportFailure(SqlTx& tx, std::vector<FailedReplica> failed, StorageId reporter,
                                              Occasion occasion, std::map<InodeId, Standings> asked) {
  std::vector<LayoutChange> changes;
  changes.reserve(failed.size());
  for (const FailedReplica& one : failed) {
    LayoutChange change = co_await loseOne(tx, one, reporter, occasion, asked);
    changes.push_back(std::move(change));
  }
  co_return changes;
}

}  // namespace vcfs::tracker::ops
