#include "common/base/error.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {
constexpr Statement kHighest{"SELECT MAX(inode) FROM inodes"};
constexpr Statement kCountPage{
    "SELECT COUNT(*), MAX(inode) FROM (SELECT inode FROM inodes WHERE inode > ? AND inode <= ? ORDER BY inode LIMIT ?)"
    " page"};
constexpr Statement kCountOpen{"SELECT COUNT(*) FROM inodes WHERE state = 1 AND nlink > 0"};
constexpr Statement kCountMissing{"SELECT COUNT(*) FROM inodes WHERE missing > 0"};
}  // namespace

Task<InodeId> highestInode(SqlTx& tx) {
  const Rows rows = co_await tx.exec(kHighest);
  co_return rows.empty() ? 0 : static_cast<InodeId>(rows.integer(0, 0));
}

Task<InodesCounted> countInodes(SqlTx& tx, InodeId after, InodeId top, std::uint32_t limit) {
  const Rows rows = co_await tx.exec(kCountPage, after, top, limit);
  InodesCounted page;
  page.inodes = static_cast<std::uint64_t>(rows.integer(0, 0));
  page.last = page.inodes == 0 ? after : static_cast<InodeId>(rows.integer(0, 1));
  co_return page;
}

Task<Counts> countFiles(SqlTx& tx) {
  Counts counts;
  const Rows open = co_await tx.exec(kCountOpen);
  counts.live = static_cast<std::uint64_t>(open.integer(0, 0));
  const Rows missing = co_await tx.exec(kCountMissing);
  counts.degraded = static_cast<std::uint64_t>(missing.integer(0, 0));
  co_return counts;
}

Task<InodeRow> fileInfo(SqlTx& tx, InodeId inode) { co_return co_await getInode(tx, inode); }

}  // namespace vcfs::tracker::ops
