#include <algorithm>

#include "tracker/ops/operations.h"
#include "tracker/ops/row_lists.h"

namespace vcfs::tracker::ops {

namespace {

constexpr std::int64_t kDayNs = 86'400'000'000'000;

// Each row's `old`, where it is known, says whether somebody set the time since.
Statement moveKnown() {
  static const std::string text =
      withList("UPDATE inodes SET atime = CASE " + repeated("WHEN inode = ? AND atime = ? THEN ?", " ") +
               " ELSE atime END WHERE inode IN");
  return Statement{text.c_str()};
}

// Where it is not: the rule of relatime, and nothing may have changed the inode after it was read.
Statement moveByRule() {
  static const std::string text = withList(
      "UPDATE inodes SET atime = CASE inode " + repeated("WHEN ? THEN ?", " ") + " ELSE atime END WHERE inode IN",
      " AND atime < ? AND ctime < ? AND (atime <= mtime OR atime <= ctime OR atime < ?)");
  return Statement{text.c_str()};
}

// Rows that are not there (inode 0) fill the last statement.
const ReadTime& at(const std::vector<ReadTime>& reads, std::size_t i) {
  static const ReadTime nothing;
  return i < reads.size() ? reads[i] : nothing;
}

Value id(InodeId inode) { return static_cast<std::int64_t>(inode); }

Task<void> moveKnown(SqlTx& tx, const std::vector<ReadTime>& reads, std::size_t from) {
  std::vector<Value> values;
  values.reserve(4 * kRows);
  for (std::size_t i = from; i < from + kRows; ++i) {
    const ReadTime& read = at(reads, i);
    values.insert(values.end(), {id(read.inode), read.oldNs.value_or(0), read.newNs});
  }
  for (std::size_t i = from; i < from + kRows; ++i) values.push_back(id(at(reads, i).inode));
  co_await tx.execute(moveKnown(), std::move(values));
}

Task<void> moveByRule(SqlTx& tx, const std::vector<ReadTime>& reads, std::size_t from) {
  std::vector<Value> values;
  values.reserve(3 * kRows + 3);
  std::int64_t first = reads[from].newNs;  // of those in this statement: they are moments apart
  for (std::size_t i = from; i < from + kRows; ++i) {
    const ReadTime& read = at(reads, i);
    values.insert(values.end(), {id(read.inode), read.newNs});
    if (read.inode != 0) first = std::min(first, read.newNs);
  }
  for (std::size_t i = from; i < from + kRows; ++i) values.push_back(id(at(reads, i).inode));
  values.insert(values.end(), {first, first, first - kDayNs});
  co_await tx.execute(moveByRule(), std::move(values));
}

}  // namespace

Task<bool> noteReads(SqlTx& tx, std::vector<ReadTime> reads) {
  std::vector<ReadTime> known, unknown;
  for (const ReadTime& read : reads) {
    if (!read.oldNs) {
      unknown.push_back(read);
    } else if (*read.oldNs < read.newNs) {
      known.push_back(read);
    }
  }
  // In order: transactions that change the same rows do not wait for each other in a circle.
  const auto byInode = [](const ReadTime& a, const ReadTime& b) { return a.inode < b.inode; };
  std::sort(known.begin(), known.end(), byInode);
  std::sort(unknown.begin(), unknown.end(), byInode);
  for (std::size_t i = 0; i < known.size(); i += kRows) co_await moveKnown(tx, known, i);
  for (std::size_t i = 0; i < unknown.size(); i += kRows) co_await moveByRule(tx, unknown, i);
  co_return true;
}

}  // namespace vcfs::tracker::ops
