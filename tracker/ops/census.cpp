#include "tracker/ops/operations.h"

// How much is to be copied before every file has its replicas; counted in pages, so that nobody waits for it.
namespace vcfs::tracker::ops {

namespace {

constexpr Statement kMissing{
    "SELECT inode, size, missing FROM inodes WHERE missing > 0 AND inode > ? ORDER BY inode LIMIT ?"};
// Columns 3 and 4: how many replicas are in sync, and the first away server that has one of these. 7: how many of them
// are on other servers that are there.
constexpr Statement kOnServer{
    "SELECT r.inode, i.size, i.missing,"
    " (SELECT COUNT(*) FROM replicas o WHERE o.inode = r.inode AND o.state = 0),"
    " (SELECT MIN(o.storage) FROM replicas o JOIN storages s ON s.id = o.storage WHERE o.inode = r.inode AND o.state = "
    "0"
    " AND s.away_since > 0), i.nlink, i.path,"
    " (SELECT COUNT(*) FROM replicas o JOIN storages s ON s.id = o.storage WHERE o.inode = r.inode AND o.state = 0"
    " AND o.storage <> r.storage AND s.away_since = 0)"
    " FROM replicas r JOIN inodes i ON i.inode = r.inode"
    " WHERE r.storage = ? AND r.state = 0 AND r.inode > ? ORDER BY r.inode LIMIT ?"};
constexpr Statement kBehind{
    "SELECT COUNT(*) FROM (SELECT 1 FROM replicas WHERE storage = ? AND state > 0 LIMIT ?) some"};
constexpr Statement kRemovals{"SELECT COUNT(*) FROM (SELECT 1 FROM removals WHERE storage = ? LIMIT ?) some"};

std::uint64_t number(const Rows& rows, std::size_t row, std::size_t column) {
  return static_cast<std::uint64_t>(rows.integer(row, column));
}

void addOne(CensusPage& page, const Rows& rows, std::size_t i, StorageId storage) {
  const std::uint64_t size = number(rows, i, 1);
  ++page.files;
  page.bytes += size;
  if (number(rows, i, 3) == 1) {
    ++page.onlyHere;
    if (page.example.empty()) page.example = rows.text(i, 6);
  } else if (number(rows, i, 7) == 0) {
    ++page.othersAway;
  }
  // Files that lack replicas anyway are counted by the other page.
  const bool first = number(rows, i, 4) == storage;
  if (!first || number(rows, i, 2) > 0 || number(rows, i, 5) == 0) return;
  ++page.counted;
  page.countedBytes += size;
}

}  // namespace

Task<CensusPage> census(SqlTx& tx, StorageId storage, InodeId after, std::uint32_t limit) {
  CensusPage page;
  Rows rows;
  if (storage == 0) {
    rows = co_await tx.exec(kMissing, after, limit);
  } else {
    rows = co_await tx.exec(kOnServer, storage, after, limit);
  }
  page.more = rows.size() == limit;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    page.last = number(rows, i, 0);
    if (storage != 0) {
      addOne(page, rows, i, storage);
      continue;
    }
    ++page.counted;
    page.countedBytes += number(rows, i, 1) * number(rows, i, 2);
  }
  co_return page;
}

Task<std::uint64_t> countRemovals(SqlTx& tx, StorageId storage, std::uint32_t limit) {
  const Rows rows = co_await tx.exec(kRemovals, storage, limit);
  co_return number(rows, 0, 0);
}

Task<std::uint64_t> countBehind(SqlTx& tx, StorageId storage, std::uint32_t limit) {
  const Rows rows = co_await tx.exec(kBehind, storage, limit);
  co_return number(rows, 0, 0);
}

}  // namespace vcfs::tracker::ops
