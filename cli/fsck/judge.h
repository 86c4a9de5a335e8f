#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "vcfs/types.h"

// What is wrong with a file, decided from what the catalog and the disks said about it. No I/O.
namespace vcfs::cli::fsck {

enum class Kind {
  newer,       // a disk knows a later epoch than the catalog, which was restored from a backup: first, since the rest
               // of what is found of the file follows from it
  missing,     // the catalog places an in-sync replica on a server that does not have it
  extra,       // a server has a replica that the catalog does not place there
  size,        // a sealed replica of another size than the catalog says
  checksum,    // in-sync replicas with different bytes
  unreadable,  // the replica's attributes cannot be read
  stale,       // a replica missed something and is not being caught up
  lost,        // no server has its data any more: it was given up with a server that is gone
  degraded,    // fewer replicas than wanted, and none on its way
  orphan,      // a row of the catalog about an inode that does not exist
  dangling,    // a name whose inode or directory does not exist, or is of another type
  links,       // a link count that does not agree with the names
  leaked,      // an inode without a name that nothing will reclaim
};
const char* nameOf(Kind kind);

// As Tracker.auditFiles says it; type none: the catalog has no such inode.
struct CatalogFile {
  Attr attr;
  Layout layout;
  std::vector<StorageId> removals;
  bool trashed = false;
  std::uint32_t copies = 0;

  bool exists() const { return attr.type != FileType::none; }
  bool isFile() const { return attr.type == FileType::regular; }
  bool sealed() const { return attr.state == FileState::closed || attr.state == FileState::recovered; }
  const Replica* on(StorageId storage) const;
};

// As Storage.inspect says it.
struct Stored {
  Epoch epoch = 0;
  std::uint64_t size = 0;
  FileState state = FileState::none;
  std::int64_t mtimeNs = 0;        // of the file on this disk
  std::int64_t sealedMtimeNs = 0;  // the same on every replica that was sealed together; 0: unknown
  bool gaps = false;               // bytes may be missing anywhere in it
  bool sealed() const { return state == FileState::closed || state == FileState::recovered; }
  bool readable() const { return epoch != 0; }
};
using OnDisks = std::map<StorageId, std::optional<Stored>>;  // of the servers that were asked

struct Finding {
  Kind kind = Kind::missing;
  StorageId storage = 0;  // 0: no particular one
  std::string detail;
};

// The file, its row and the servers that were asked.
std::vector<Finding> judgeFile(const CatalogFile& file, const OnDisks& disks);

// Whether what a server has of a file that the catalog does not place there has any business there.
std::optional<Finding> judgeStored(const CatalogFile& file, StorageId storage, const Stored& stored);

// Checksums of a part of a file, and which replicas have them so.
using ByteVersions = std::map<std::vector<std::uint32_t>, std::vector<StorageId>>;
// The replica that is wrong: one against more than half of all. Nothing: it cannot be told.
std::optional<StorageId> oddOne(const ByteVersions& versions);

struct LinkCounts {
  std::uint64_t names = 0;           // that point to it
  std::uint64_t subdirectories = 0;  // of a directory
};
std::optional<Finding> judgeLinks(const CatalogFile& file, const LinkCounts& links);

struct Name {
  InodeId parent = 0;
  std::string name;
  InodeId inode = 0;
  FileType type = FileType::none;
  FileType inodeType = FileType::none;
  FileType parentType = FileType::none;
  InodeId inodeParent = 0;
};
std::optional<Finding> judgeName(const Name& name);

// The latest epoch on the disks of all servers, and which replicas are the file as it was in it: whole ones, sealed
// ones rather than others, of these the longest. None, if another one without gaps is longer still, or as long and was
// sealed at another time. Of a file that nobody sealed it is one, with which the others are compared.
struct Newest {
  Epoch epoch = 0;
  std::vector<StorageId> holders;  // empty: none can be said to be whole
};
Newest newestOf(const CatalogFile& file, const OnDisks& disks);

// ---- what may be repaired: nothing whose only good copy could be the one that is taken away
bool mayDeleteExtra(const CatalogFile& file, StorageId storage, const Stored& stored, std::int64_t now,
                    std::int64_t keepNs);
// Another replica that is in sync, there, and of the right size.
bool mayReplace(const CatalogFile& file, StorageId bad, const OnDisks& disks);

}  // namespace vcfs::cli::fsck
