#include "common/base/error.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {
constexpr Statement kCountAll{"SELECT COUNT(*) FROM inodes"};
constexpr Statement kCountOpen{"SELECT COUNT(*) FROM inodes WHERE state = 1 AND nlink > 0"};
constexpr Statement kCountMissing{"SELECT COUNT(*) FROM inodes WHERE missing > 0"};
}  // namespace

Task<Counts> countFiles(SqlTx& tx, bool all) {
  Counts counts;
  if (all) {
    const Rows rows = co_await tx.exec(kCountAll);
    counts.files = static_cast<std::uint64_t>(rows.integer(0, 0));
  }
  const Rows open = co_await tx.exec(kCountOpen);
  counts.live = static_cast<std::uint64_t>(open.integer(0, 0));
  const Rows missing = co_await tx.exec(kCountMissing);
  counts.degraded = static_cast<std::uint64_t>(missing.integer(0, 0));
  co_return counts;
}

Task<InodeRow> fileInfo(SqlTx& tx, InodeId inode) { co_return co_await getInode(tx, inode); }

}  // namespace vcfs::tracker::ops
