#include "common/base/error.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kApply{
    "UPDATE inodes SET size = ?, blocks = ?, mtime = ?, ctime = ?, state = ?, opened_at = ?,"
    " reported_epoch = ?, reported_mtime = ?, change_id = change_id + 1 WHERE inode = ?"};
constexpr Statement kNewest{"SELECT reported_epoch, reported_mtime FROM inodes WHERE inode = ?"};

// Stands in reported_mtime: what it is called for servers that tell no order.
std::int64_t orderOf(const FileReport& report) { return report.order != 0 ? report.order : report.mtimeNs; }

// Overtaken by a later report of the same primary: it was sent over a connection that was cut off meanwhile.
bool isOvertaken(const Rows& newest, const FileReport& report) {
  return static_cast<Epoch>(newest.integer(0, 0)) == report.epoch && orderOf(report) < newest.integer(0, 1);
}

bool sameAs(const Attr& attr, const FileReport& report) {
  return attr.size == report.size && attr.blocks == report.blocks && attr.state == report.state &&
         attr.mtimeNs >= report.mtimeNs;
}

// A file that was written again after it had been complete may have changed anywhere.
bool mayHaveOverwritten(const InodeRow& row, const FileReport& report) {
  return (row.flags & kFlagReopened) != 0 && (report.state != FileState::open || report.size < row.attr.size);
}

Task<void> applyOne(SqlTx& tx, StorageId storage, FileReport report, std::int64_t now, FilesReported& all) {
  const auto found = co_await tx.execAll(inodeQuery(report.inode, Lock::rows), query(kNewest, report.inode));
  if (found[0].empty()) co_return;
  const InodeRow row = toJoinedRow(found[0]);
  if (!row.isFile()) co_return;
  if (row.attr.epoch > report.epoch) all.newer.push_back(row.layout());
  if (row.attr.epoch != report.epoch) co_return;
  const Replica* primary = primaryOf(row.replicas);
  if (primary == nullptr || primary->storage != storage || sameAs(row.attr, report)) co_return;
  if (isOvertaken(found[1], report)) co_return;
  const Attr& attr = row.attr;
  // What a client set by utimens() stands until something is written after it.
  const bool written = report.mtimeNs > row.mtimeFixedNs && report.mtimeNs != 0;
  const std::int64_t mtime = written ? report.mtimeNs : attr.mtimeNs;
  const std::int64_t ctime = written ? std::max(attr.ctimeNs, report.mtimeNs) : attr.ctimeNs;
  const std::int64_t openedAt = report.state == FileState::open ? now : 0;
  tx.later(kApply, report.size, report.blocks, mtime, ctime, report.state, openedAt, report.epoch, orderOf(report),
           report.inode);
  Change change;
  change.inode = report.inode;
  change.data = mayHaveOverwritten(row, report);
  all.changes.push_back(std::move(change));
}

}  // namespace

Task<FilesReported> reportFiles(SqlTx& tx, StorageId storage, std::vector<FileReport> reports, Occasion occasion) {
  FilesReported all;
  for (const FileReport& report : reports) {
    if (report.state != FileState::none) co_await applyOne(tx, storage, report, occasion.now, all);
  }
  co_return all;
}

}  // namespace vcfs::tracker::ops
