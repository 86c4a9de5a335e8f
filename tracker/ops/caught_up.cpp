#include "common/base/error.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kBehind{
    "SELECT inode FROM replicas WHERE storage = ? AND state > 0 AND inode > ? ORDER BY inode LIMIT ?"};
constexpr Statement kHere{
    "SELECT inode FROM replicas WHERE storage = ? AND state = 0 AND inode > ? ORDER BY inode LIMIT ?"};
constexpr std::uint32_t kMaxPage = 1000;

Task<LayoutChange> returnOne(SqlTx& tx, StorageId storage, InodeId inode, const Occasion& occasion) {
  LayoutChange change;
  auto row = co_await findInode(tx, inode, Lock::rows);
  if (!row || !row->isFile()) co_return change;
  const FileNeeds needs = co_await needsOf(tx, *row, *occasion.view);
  if (auto next = returnReplica(row->replicas, storage, needs, change.dropped)) {
    addRemovals(tx, inode, change.dropped);
    row = co_await storeReplicas(tx, std::move(*row), std::move(*next), occasion.now);
    change.changed = true;
  }
  change.layout = row->layout();
  co_return change;
}

}  // namespace

Task<LayoutChange> caughtUp(SqlTx& tx, StorageId storage, InodeId inode, Epoch epoch, Occasion occasion) {
  LayoutChange change;
  auto row = co_await findInode(tx, inode, Lock::rows);
  if (!row || !row->isFile()) throw Error(Errc::notFound, "the file is gone");
  if (row->attr.epoch == epoch) {
    FileNeeds needs = co_await needsOf(tx, *row, *occasion.view);
    if (auto next = catchUpReplica(row->replicas, storage, needs, change.dropped)) {
      // Perhaps a server that is being emptied waited for it.
      for (StorageId leaving : needs.leaving) {
        // What is dropped here has still to be deleted: a new replica in that place would be deleted with it.
        needs.barred.insert(needs.barred.end(), change.dropped.begin(), change.dropped.end());
        if (auto less = vacateReplica(*next, leaving, row->sealed(), *occasion.view, needs, change.dropped))
          next = less;
      }
      addRemovals(tx, inode, change.dropped);
      row = co_await storeReplicas(tx, std::move(*row), std::move(*next), occasion.now);
      change.changed = true;
    }
  }
  change.layout = row->layout();
  co_return change;
}

Task<LayoutPage> staleReplicas(SqlTx& tx, StorageId storage, InodeId after, std::uint32_t limit, Occasion occasion) {
  const std::uint32_t count = std::clamp<std::uint32_t>(limit, 1, kMaxPage);
  const Rows rows = co_await tx.exec(kBehind, storage, std::min<InodeId>(after, INT64_MAX), count + 1);
  LayoutPage page;
  page.more = rows.size() > count;
  for (std::size_t i = 0; i < std::min<std::size_t>(rows.size(), count); ++i) {
    LayoutChange change = co_await returnOne(tx, storage, static_cast<InodeId>(rows.integer(i, 0)), occasion);
    page.layouts.push_back(std::move(change));
  }
  co_return page;
}

Task<LayoutPage> replicasHere(SqlTx& tx, StorageId storage, InodeId after, std::uint32_t limit) {
  const std::uint32_t count = std::clamp<std::uint32_t>(limit, 1, kMaxPage);
  const Rows rows = co_await tx.exec(kHere, storage, std::min<InodeId>(after, INT64_MAX), count + 1);
  LayoutPage page;
  page.more = rows.size() > count;
  for (std::size_t i = 0; i < std::min<std::size_t>(rows.size(), count); ++i) {
    LayoutChange here;
    page.last = static_cast<InodeId>(rows.integer(i, 0));
    if (auto row = co_await findInode(tx, page.last)) here.layout = row->layout();
    page.layouts.push_back(std::move(here));
  }
  co_return page;
}

}  // namespace vcfs::tracker::ops
