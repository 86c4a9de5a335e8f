#include "common/base/error.h"
#include "tracker/ops/operations.h"

// What `vcfs fsck` compares with the disks. Pages are ranges of inodes, so that every table is read along an index.
namespace vcfs::tracker::ops {

namespace {

constexpr Statement kInodes{"SELECT " VCFS_INODE_COLUMNS " FROM inodes i WHERE i.inode > ? ORDER BY i.inode LIMIT ?"};
constexpr Statement kRemovals{"SELECT inode, storage FROM removals WHERE inode > ? AND inode <= ? LIMIT 100000"};
constexpr Statement kTrash{"SELECT inode FROM trash WHERE inode > ? AND inode <= ? LIMIT 100000"};
constexpr Statement kLostReplicas{
    "SELECT DISTINCT t.inode FROM replicas t LEFT JOIN inodes i ON i.inode = t.inode"
    " WHERE t.inode > ? AND t.inode <= ? AND i.inode IS NULL LIMIT 100"};
constexpr Statement kLostXattrs{
    "SELECT DISTINCT t.inode FROM xattrs t LEFT JOIN inodes i ON i.inode = t.inode"
    " WHERE t.inode > ? AND t.inode <= ? AND i.inode IS NULL LIMIT 100"};
constexpr Statement kLostTrash{
    "SELECT t.inode FROM trash t LEFT JOIN inodes i ON i.inode = t.inode"
    " WHERE t.inode > ? AND t.inode <= ? AND i.inode IS NULL LIMIT 100"};
#define VCFS_AUDIT_NAMES                                                               \
  "SELECT d.parent, d.name, d.inode, d.type, i.type, p.type, i.parent FROM dentries d" \
  " LEFT JOIN inodes i ON i.inode = d.inode LEFT JOIN inodes p ON p.inode = d.parent WHERE d.parent "
constexpr Statement kNamesHere{VCFS_AUDIT_NAMES "= ? AND d.name > ? ORDER BY d.name LIMIT ?"};
constexpr Statement kNamesBehind{VCFS_AUDIT_NAMES "> ? ORDER BY d.parent, d.name LIMIT ?"};
#undef VCFS_AUDIT_NAMES

std::uint64_t number(const Rows& rows, std::size_t row, std::size_t column) {
  return static_cast<std::uint64_t>(rows.integer(row, column));
}

AuditFile toAudit(InodeRow row) {
  AuditFile file;
  if (row.isFile()) file.layout = row.layout();
  file.attr = row.attr;
  file.parent = row.parent;
  file.copies = row.copies;
  return file;
}

void addOrphans(AuditPage& page, const Rows& rows, const char* table) {
  for (std::size_t i = 0; i < rows.size(); ++i) page.orphans.push_back(AuditOrphan{table, number(rows, i, 0)});
}

void addNames(NamesPage& page, const Rows& rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    AuditName name;
    name.parent = number(rows, i, 0);
    name.name = rows.text(i, 1);
    name.inode = number(rows, i, 2);
    name.type = static_cast<FileType>(rows.integer(i, 3));
    name.inodeType = static_cast<FileType>(rows.integer(i, 4));
    name.parentType = static_cast<FileType>(rows.integer(i, 5));
    name.inodeParent = number(rows, i, 6);
    page.names.push_back(std::move(name));
  }
}

// Fills in what stands in other tables about inodes of (after, last].
Task<void> addMarks(SqlTx& tx, AuditPage& page, InodeId after, InodeId last, bool absentToo) {
  auto find = [&](InodeId inode) -> AuditFile* {
    const auto at = std::lower_bound(page.files.begin(), page.files.end(), inode,
                                     [](const AuditFile& f, InodeId id) { return f.attr.inode < id; });
    return at != page.files.end() && at->attr.inode == inode ? &*at : nullptr;
  };
  const Rows trash = co_await tx.exec(kTrash, after, last);
  for (std::size_t i = 0; i < trash.size(); ++i) {
    if (AuditFile* file = find(number(trash, i, 0))) file->trashed = true;
  }
  const Rows removals = co_await tx.exec(kRemovals, after, last);
  for (std::size_t i = 0; i < removals.size(); ++i) {
    const InodeId inode = number(removals, i, 0);
    AuditFile* file = find(inode);
    if (file == nullptr && absentToo) {
      file = &page.files.emplace_back();
      file->attr.inode = inode;
    }
    if (file != nullptr) file->removals.push_back(static_cast<StorageId>(removals.integer(i, 1)));
  }
}

}  // namespace

Task<AuditPage> auditFiles(SqlTx& tx, InodeId after, std::uint32_t limit) {
  const Rows rows = co_await tx.exec(kInodes, after, limit);
  AuditPage page;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    InodeRow row = toInodeRow(rows, i);
    page.files.push_back(toAudit(std::move(row)));
  }
  page.more = rows.size() == limit;
  const InodeId last = page.more ? page.files.back().attr.inode : InodeId{INT64_MAX};
  co_await addMarks(tx, page, after, last, false);
  const Rows replicas = co_await tx.exec(kLostReplicas, after, last);
  addOrphans(page, replicas, "replicas");
  const Rows xattrs = co_await tx.exec(kLostXattrs, after, last);
  addOrphans(page, xattrs, "xattrs");
  const Rows trash = co_await tx.exec(kLostTrash, after, last);
  addOrphans(page, trash, "trash");
  co_return page;
}

Task<AuditPage> auditInodes(SqlTx& tx, std::vector<InodeId> inodes) {
  AuditPage page;
  for (InodeId inode : inodes) {
    AuditPage one;
    auto row = co_await findInode(tx, inode);
    if (row) one.files.push_back(toAudit(std::move(*row)));
    co_await addMarks(tx, one, inode - 1, inode, true);
    if (!one.files.empty()) page.files.push_back(std::move(one.files.front()));
  }
  co_return page;
}

Task<NamesPage> auditNames(SqlTx& tx, InodeId parent, std::string name, std::uint32_t limit) {
  NamesPage page;
  const Rows here = co_await tx.exec(kNamesHere, parent, name, limit);
  addNames(page, here);
  if (here.size() < limit) {
    const std::uint64_t rest = limit - here.size();
    const Rows behind = co_await tx.exec(kNamesBehind, parent, rest);
    addNames(page, behind);
  }
  page.more = page.names.size() == limit;
  co_return page;
}

Task<std::vector<std::string>> pathsOf(SqlTx& tx, std::vector<InodeId> directories) {
  std::vector<std::string> paths;
  for (InodeId directory : directories) {
    const auto chain = co_await ancestors(tx, directory);
    std::string path;
    for (const Ancestor& ancestor : chain) path.insert(0, "/" + ancestor.name);
    paths.push_back(std::move(path));
  }
  co_return paths;
}

}  // namespace vcfs::tracker::ops
