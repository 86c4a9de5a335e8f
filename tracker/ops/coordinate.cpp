#include "common/base/error.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kReadLease{"SELECT holder, candidate, term, expires FROM leases WHERE role = ? /*lock*/"};
constexpr Statement kWriteLease{"REPLACE INTO leases (role, holder, candidate, term, expires) VALUES (?, ?, ?, ?, ?)"};
constexpr Statement kRely{"UPDATE leases SET relied_on = relied_on + 1 WHERE role = ?"};
constexpr Statement kOpenFiles{
    "SELECT " VCFS_INODE_COLUMNS
    ", i.opener, i.opened_at FROM inodes i"
    " WHERE i.state = 1 AND i.opened_at < ? AND i.opened_at > ? ORDER BY i.opened_at LIMIT ?"};
constexpr Statement kSealFile{
    "UPDATE inodes SET size = ?, blocks = ?, mtime = ?, state = ?, opened_at = 0, change_id = change_id + 1"
    " WHERE inode = ? AND epoch = ? AND state = 1 AND opened_at = ?"};
// Bounded first: the replicas of all the rest need not be gathered.
constexpr Statement kMissing{"SELECT " VCFS_INODE_COLUMNS
                             " FROM (SELECT inode FROM inodes WHERE missing > 0 AND inode > ? ORDER BY inode LIMIT ?) m"
                             " JOIN inodes i ON i.inode = m.inode ORDER BY i.inode"};
// Stale ones, bounded first. (`state > 0` is for SQLite, which knows by it which index to use.)
constexpr Statement kReserves{
    "SELECT b.inode, i.missing FROM (SELECT inode FROM replicas WHERE storage = ? AND state > 0 AND state = 2"
    " AND inode > ? ORDER BY inode LIMIT ?) b JOIN inodes i ON i.inode = b.inode ORDER BY b.inode"};
constexpr Statement kNextClient{"SELECT MIN(client) FROM requests WHERE client > ?"};
constexpr Statement kOldestRequests{
    "SELECT sequence, made_at FROM requests WHERE client = ? ORDER BY sequence LIMIT ?"};
constexpr Statement kForgetRequests{"DELETE FROM requests WHERE client = ? AND sequence <= ?"};
// Clients that were not heard of for long: nobody wanted what they had locked, or it would be gone.
constexpr Statement kForgetLocks{
    "DELETE FROM file_locks WHERE client IN (SELECT client FROM lock_clients WHERE expires < ?)"};
constexpr Statement kForgetLockClients{"DELETE FROM lock_clients WHERE expires < ?"};
constexpr Statement kForgetLockWaits{"DELETE FROM lock_waits WHERE until_ns < ?"};
constexpr Statement kForgetPins{"DELETE FROM pins WHERE expires < ?"};
constexpr std::uint64_t kRequestsOfClient = 1000;  // looked at at a time
constexpr std::uint64_t kMostForgotten = 2000;     // in one transaction, give or take those
constexpr int kMostClients = 200;                  // two journeys each
constexpr std::uint32_t kLackingWindow = 2;        // times as many are looked through at a time as may be found
const std::string kRole = "coordinator";

// Deletes the oldest requests of one client; they were made in the order of their sequence.
Task<std::uint64_t> forgetRequests(SqlTx& tx, std::int64_t client, std::int64_t before) {
  const Rows rows = co_await tx.exec(kOldestRequests, client, kRequestsOfClient);
  std::size_t old = 0;
  while (old < rows.size() && rows.integer(old, 1) < before) ++old;
  if (old == 0) co_return 0;
  co_await tx.exec(kForgetRequests, client, rows.integer(old - 1, 0));
  co_return old;
}

}  // namespace

Task<Lease> readLease(SqlTx& tx) {
  const Rows rows = co_await tx.exec(kReadLease, kRole);
  Lease lease;
  if (rows.empty()) co_return lease;
  lease.holder = rows.text(0, 0);
  lease.candidate = rows.text(0, 1);
  lease.term = rows.integer(0, 2);
  lease.expires = rows.integer(0, 3);
  co_return lease;
}

Task<Lease> renewLease(SqlTx& tx, std::string self, std::string candidate, SeenLease seen, std::int64_t wallNs,
                       LeaseRules rules) {
  const Lease present = co_await readLease(tx);
  const auto next = claim(present, seen, self, candidate, wallNs, rules);
  if (!next) co_return present;
  co_await tx.exec(kWriteLease, kRole, next->holder, next->candidate, next->term, next->expires);
  co_return *next;
}

Task<void> checkFence(SqlTx& tx, const Fence& fence) {
  const Lease lease = co_await readLease(tx);
  if (lease.holder != fence.holder || lease.term != fence.term) {
    throw Error(Errc::notPrimary, "another tracker has become the coordinator");
  }
}

void relyOnFence(SqlTx& tx) {
  if (tx.elsewhere()) tx.later(kRely, kRole);
}

Task<std::vector<OpenFile>> listOpenFiles(SqlTx& tx, std::int64_t openedBefore, std::int64_t after,
                                          std::uint32_t limit) {
  const Rows rows = co_await tx.exec(kOpenFiles, openedBefore, after, limit);
  std::vector<OpenFile> files;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    OpenFile file;
    file.layout = toInodeRow(rows, i).layout();
    file.opener = static_cast<ClientId>(rows.integer(i, kInodeColumns));
    file.openedAtNs = rows.integer(i, kInodeColumns + 1);
    files.push_back(std::move(file));
  }
  co_return files;
}

Task<std::vector<Change>> sealFile(SqlTx& tx, Fence fence, Seal seal, std::int64_t now) {
  co_await checkFence(tx, fence);
  std::vector<Change> changes;
  auto row = co_await findInode(tx, seal.inode, Lock::rows);
  if (!row) co_return changes;
  relyOnFence(tx);
  const bool written = seal.mtimeNs > row->mtimeFixedNs;
  const std::int64_t mtime = written ? seal.mtimeNs : row->attr.mtimeNs;
  const Rows sealed =
      co_await tx.exec(kSealFile, seal.size, seal.blocks, mtime, seal.state, seal.inode, seal.epoch, seal.openedAtNs);
  if (sealed.changed() != 0) changes.push_back(tellInode(seal.inode));
  co_return changes;
}

Task<InodePage> listLacking(SqlTx& tx, InodeId after, std::uint32_t limit, std::shared_ptr<const PlacementView> view) {
  const std::uint32_t window = limit * kLackingWindow;
  const Rows rows = co_await tx.exec(kMissing, after, window);
  InodePage page;
  page.more = rows.size() == window;
  FileNeeds needs;
  needs.leaving = view->leaving();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const InodeRow row = toInodeRow(rows, i);
    page.last = row.attr.inode;
    needs.group = row.group;
    needs.copies = row.copies;
    if (completeReplicas(row.replicas, *view, needs)) page.inodes.push_back(row.attr.inode);
    if (page.inodes.size() < limit) continue;
    page.more = page.more || i + 1 < rows.size();
    break;
  }
  co_return page;
}

Task<LayoutPage> completeFiles(SqlTx& tx, Fence fence, std::vector<InodeId> inodes, Occasion occasion) {
  co_await checkFence(tx, fence);
  LayoutPage page;
  for (const InodeId inode : inodes) {
    auto row = co_await findInode(tx, inode, Lock::rows);
    if (!row || !row->isFile() || row->attr.nlink == 0) continue;
    const FileNeeds needs = co_await needsOf(tx, *row, *occasion.view);
    auto next = completeReplicas(row->replicas, *occasion.view, needs);
    if (!next) continue;
    if (page.layouts.empty()) relyOnFence(tx);
    row = co_await storeReplicas(tx, std::move(*row), std::move(*next), occasion.now);
    LayoutChange change;
    change.changed = true;
    change.layout = row->layout();
    page.layouts.push_back(std::move(change));
  }
  co_return page;
}

Task<InodePage> listReserves(SqlTx& tx, StorageId storage, InodeId after, std::uint32_t limit) {
  const Rows rows = co_await tx.exec(kReserves, storage, after, limit);
  InodePage page;
  page.more = rows.size() == limit;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    page.last = static_cast<InodeId>(rows.integer(i, 0));
    if (rows.integer(i, 1) == 0) page.inodes.push_back(page.last);
  }
  co_return page;
}

Task<LayoutPage> dropReserves(SqlTx& tx, Fence fence, std::vector<InodeId> inodes, Occasion occasion) {
  co_await checkFence(tx, fence);
  LayoutPage page;
  for (const InodeId inode : inodes) {
    auto row = co_await findInode(tx, inode, Lock::rows);
    if (!row || !row->isFile()) continue;
    const FileNeeds needs = co_await needsOf(tx, *row, *occasion.view);
    LayoutChange change;
    auto next = dropReserve(row->replicas, *occasion.view, needs, change.dropped);
    if (!next) continue;
    if (page.layouts.empty()) relyOnFence(tx);
    addRemovals(tx, inode, change.dropped);
    row = co_await storeReplicas(tx, std::move(*row), std::move(*next), occasion.now);
    change.changed = true;
    change.layout = row->layout();
    page.layouts.push_back(std::move(change));
  }
  co_return page;
}

Task<Forgotten> forgetOld(SqlTx& tx, Fence fence, std::int64_t after, ForgetBefore before, std::int64_t now) {
  co_await checkFence(tx, fence);
  co_await tx.exec(kForgetPins, now);
  co_await tx.exec(kForgetLocks, before.locksNs);
  co_await tx.exec(kForgetLockClients, before.locksNs);
  co_await tx.exec(kForgetLockWaits, now);
  Forgotten forgotten;
  forgotten.last = after;
  for (int clients = 0; clients < kMostClients && forgotten.requests < kMostForgotten; ++clients) {
    const Rows next = co_await tx.exec(kNextClient, forgotten.last);
    if (next.empty() || std::holds_alternative<std::monostate>(next.at(0, 0))) co_return Forgotten{forgotten.requests};
    const std::int64_t client = next.integer(0, 0);
    const std::uint64_t some = co_await forgetRequests(tx, client, before.requestsNs);
    forgotten.requests += some;
    if (some < kRequestsOfClient) forgotten.last = client;  // else it has more
  }
  forgotten.more = true;
  co_return forgotten;
}

}  // namespace vcfs::tracker::ops
