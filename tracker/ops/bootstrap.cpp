#include "common/base/error.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kFindCluster{"SELECT name, uuid FROM cluster WHERE id = 1"};
constexpr Statement kInsertCluster{"INSERT INTO cluster (id, name, uuid, created_at) VALUES (1, ?, ?, ?)"};
constexpr Statement kFindCounter{"SELECT value FROM counters WHERE name = ? /*lock*/"};
constexpr Statement kNewCounter{"INSERT INTO counters (name, value) VALUES (?, ?)"};
constexpr Statement kPutCounter{"UPDATE counters SET value = ? WHERE name = ?"};

// Ids of the catalog's own counter never meet those of ID servers, which count up from 1024.
constexpr std::int64_t kFirstOwnId = std::int64_t{1} << 61;
const std::string kIdCounter = "ids";

InodeRow rootRow(std::int64_t now) {
  InodeRow root;
  root.attr.inode = kRootInode;
  root.attr.type = FileType::directory;
  root.attr.mode = 0755;
  root.attr.nlink = 2;
  root.attr.atimeNs = root.attr.mtimeNs = root.attr.ctimeNs = now;
  root.parent = kRootInode;
  return root;
}

}  // namespace

Task<ClusterRow> bootstrap(SqlTx& tx, std::string name, std::string uuid, std::int64_t now) {
  ClusterRow cluster;
  const Rows rows = co_await tx.exec(kFindCluster);
  if (!rows.empty()) {
    cluster.name = rows.text(0, 0);
    cluster.uuid = rows.text(0, 1);
    co_return cluster;
  }
  co_await tx.exec(kInsertCluster, name, uuid, now);
  const InodeRow root = rootRow(now);
  const std::string noTarget;
  insertInode(tx, root, noTarget, 0);
  cluster.name = name;
  cluster.uuid = uuid;
  co_return cluster;
}

// A row that is not there yet cannot be locked: of two trackers that make it at once, one fails (exists) and asks
// again.
Task<std::uint64_t> leaseIds(SqlTx& tx, std::uint32_t count) {
  const Rows rows = co_await tx.exec(kFindCounter, kIdCounter);
  if (rows.empty()) {
    co_await tx.exec(kNewCounter, kIdCounter, kFirstOwnId + count);
    co_return static_cast<std::uint64_t>(kFirstOwnId);
  }
  const std::int64_t first = rows.integer(0, 0);
  co_await tx.exec(kPutCounter, first + count, kIdCounter);
  co_return static_cast<std::uint64_t>(first);
}

}  // namespace vcfs::tracker::ops
