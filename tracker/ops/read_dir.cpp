#include "common/base/error.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker::ops {

namespace {

constexpr Statement kList{"SELECT d.name, d.cookie, " VCFS_INODE_COLUMNS
                          " FROM dentries d JOIN inodes i ON i.inode = d.inode"
                          " WHERE d.parent = ? AND d.cookie > ? ORDER BY d.cookie LIMIT ?"};
// The same without looking at the replicas.
constexpr Statement kListShort{
    "SELECT d.name, d.cookie, i.inode, i.type, i.mode, i.nlink, i.uid, i.gid, i.size, i.blocks, i.atime, i.mtime,"
    " i.ctime, i.rdev, i.state, i.epoch, i.change_id, i.tenant, i.path, i.parent, i.group_name, i.copies, i.flags,"
    " i.mtime_fixed, NULL FROM dentries d JOIN inodes i ON i.inode = d.inode"
    " WHERE d.parent = ? AND d.cookie > ? ORDER BY d.cookie LIMIT ?"};
constexpr std::uint32_t kMaxLimit = 4096;

}  // namespace

Task<DirPage> readDir(SqlTx& tx, InodeId directory, std::uint64_t after, std::uint32_t limit, bool layouts) {
  if (limit == 0 || limit > kMaxLimit) throw Error(Errc::invalid, "readDir: limit must be 1 to 4096");
  const InodeRow row = co_await getInode(tx, directory);
  if (!row.isDirectory()) throw Error(Errc::notDirectory, "not a directory");
  const std::uint64_t from = std::min<std::uint64_t>(after, INT64_MAX);
  const Rows rows = co_await tx.exec(layouts ? kList : kListShort, directory, from, limit + 1);
  DirPage page;
  page.more = rows.size() > limit;
  const std::size_t count = std::min<std::size_t>(rows.size(), limit);
  page.entries.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    DirEntry entry;
    entry.name = rows.text(i, 0);
    entry.cookie = static_cast<std::uint64_t>(rows.integer(i, 1));
    const InodeRow child = toInodeRow(rows, i, 2);
    entry.entry.attr = child.attr;
    entry.entry.attr.acl = child.acls();
    if (layouts && child.isFile()) entry.entry.layout = child.layout();
    page.entries.push_back(std::move(entry));
  }
  co_return page;
}

}  // namespace vcfs::tracker::ops
