#include "common/base/error.h"
#include "tracker/ops/operations.h"

// A server that is gone for good: what it alone had is given up.
namespace vcfs::tracker::ops {

namespace {

constexpr Statement kHere{
    "SELECT inode FROM replicas WHERE storage = ? AND state = 0 AND inode > ? ORDER BY inode LIMIT ?"};
// Any tracker that hears of the server takes that back.
constexpr Statement kAwaySince{"SELECT away_since FROM storages WHERE id = ? /*lock*/"};
// A nanosecond later: it is written, so that who takes it back at another node of the database excludes this.
constexpr Statement kRely{"UPDATE storages SET away_since = away_since + 1 WHERE id = ?"};
constexpr Statement kSeal{
    "UPDATE inodes SET size = ?, blocks = ?, mtime = ?, ctime = ?, state = ?, opened_at = 0, change_id = change_id + 1"
    " WHERE inode = ?"};

Task<void> requireAway(SqlTx& tx, StorageId gone, const PlacementView& view) {
  const Server* server = view.find(gone);
  const Rows rows = co_await tx.exec(kAwaySince, gone);
  const bool away = !rows.empty() && rows.integer(0, 0) != 0;
  if (!away || (server != nullptr && server->alive)) throw Error(Errc::unavailable, "the server has just come back");
  if (tx.elsewhere()) tx.later(kRely, gone);
}

bool isOnlyThere(const ReplicaSet& replicas, StorageId gone) {
  const Replica* primary = primaryOf(replicas);
  return primary != nullptr && primary->storage == gone && countInSync(replicas) == 1;
}

// A file without a byte begins anew on any server.
StorageId homeOf(const ReplicaSet& replicas, const PlacementView& view, const FileNeeds& needs) {
  PlacementRequest request;
  request.group = needs.group;
  request.copies = 1;
  request.seed = needs.seed;
  request.exclude = needs.barred;
  for (const Replica& replica : replicas) request.exclude.push_back(replica.storage);
  const std::vector<StorageId> placed = place(view, request);
  return placed.empty() ? 0 : placed.front();
}

// By this call, whose answer was lost on its way.
bool isDone(const InodeRow& row, StorageId gone, const Loss& loss) {
  if (row.attr.epoch != loss.epoch + 1) return false;
  for (const Replica& replica : row.replicas) {
    if (replica.storage == gone) return false;
  }
  if (row.attr.state == FileState::lost) return row.replicas.empty();
  const Replica* primary = primaryOf(row.replicas);
  const bool expected = primary != nullptr && (loss.source == 0 || primary->storage == loss.source);
  return expected && loss.fate == Fate::kept && row.attr.state == FileState::recovered && row.attr.size == loss.size;
}

Task<LayoutChange> giveUpOne(SqlTx& tx, StorageId gone, Loss loss, const Occasion& occasion) {
  LayoutChange change;
  auto row = co_await findInode(tx, loss.inode, Lock::rows);
  if (!row || !row->isFile()) co_return change;
  change.layout = row->layout();
  change.changed = isDone(*row, gone, loss);
  if (change.changed || row->attr.epoch != loss.epoch || !isOnlyThere(row->replicas, gone)) co_return change;
  bool lost = loss.fate == Fate::lost;
  StorageId source = loss.source;
  if (!lost && source == 0) {
    const FileNeeds needs = co_await needsOf(tx, *row, *occasion.view);
    source = homeOf(row->replicas, *occasion.view, needs);
    lost = source == 0;  // nobody has room for it: nothing is lost but the place
  }
  const Attr& attr = row->attr;
  const bool told = loss.mtimeNs != 0 && loss.mtimeNs > row->mtimeFixedNs;
  const std::int64_t mtime = told ? loss.mtimeNs : attr.mtimeNs;
  const FileState state = lost ? FileState::lost : FileState::recovered;
  tx.later(kSeal, lost ? attr.size : loss.size, lost ? attr.blocks : loss.blocks, lost ? attr.mtimeNs : mtime,
           occasion.now, state, loss.inode);
  // What a server has of a file that is lost, behind gaps, stays on its disk: it may be worth something to a person.
  ReplicaSet next = afterLoss(row->replicas, gone, source, change.dropped);
  row = co_await storeReplicas(tx, std::move(*row), std::move(next), occasion.now);
  change.layout = row->layout();
  change.changed = true;
  co_return change;
}

}  // namespace

Task<FilesPage> filesOn(SqlTx& tx, StorageId storage, InodeId after, std::uint32_t limit) {
  const Rows rows = co_await tx.exec(kHere, storage, std::min<InodeId>(after, INT64_MAX), limit + 1);
  FilesPage page;
  page.more = rows.size() > limit;
  for (std::size_t i = 0; i < std::min<std::size_t>(rows.size(), limit); ++i) {
    page.last = static_cast<InodeId>(rows.integer(i, 0));
    auto row = co_await findInode(tx, page.last);
    if (row) page.files.push_back(std::move(*row));
  }
  co_return page;
}

Task<std::vector<LayoutChange>> acceptLoss(SqlTx& tx, StorageId gone, std::vector<Loss> losses, Occasion occasion) {
  bool done = true;
  for (const Loss& loss : losses) {
    const auto row = co_await findInode(tx, loss.inode, Lock::rows);
    done = done && row && row->isFile() && isDone(*row, gone, loss);
  }
  if (!done) co_await requireAway(tx, gone, *occasion.view);
  std::vector<LayoutChange> changes;
  for (const Loss& loss : losses) {
    LayoutChange change = co_await giveUpOne(tx, gone, loss, occasion);
    changes.push_back(std::move(change));
  }
  co_return changes;
}

}  // namespace vcfs::tracker::ops
