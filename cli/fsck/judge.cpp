#include "cli/fsck/judge.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

namespace vcfs::cli::fsck {

const char* nameOf(Kind kind) {
  switch (kind) {
    case Kind::newer:
      return "newer";
    case Kind::missing:
      return "missing";
    case Kind::extra:
      return "extra";
    case Kind::size:
      return "size";
    case Kind::checksum:
      return "checksum";
    case Kind::unreadable:
      return "unreadable";
    case Kind::stale:
      return "stale";
    case Kind::lost:
      return "lost";
    case Kind::degraded:
      return "degraded";
    case Kind::orphan:
      return "orphan";
    case Kind::dangling:
      return "dangling";
    case Kind::links:
      return "links";
    case Kind::leaked:
      return "leaked";
  }
  return "?";
}

const Replica* CatalogFile::on(StorageId storage) const {
  for (const Replica& replica : layout.replicas) {
    if (replica.storage == storage) return &replica;
  }
  return nullptr;
}

namespace {

Finding newerThan(const CatalogFile& file, StorageId storage, const Stored& stored) {
  return {Kind::newer, storage,
          fmt::format("the replica is of epoch {}, where the catalog says {}: it was restored from a backup",
                      stored.epoch, file.layout.epoch)};
}

// Also of one that is behind in the catalog: it may be the other way round on the disks.
void judgeEpoch(const CatalogFile& file, const Replica& replica, const OnDisks& disks, std::vector<Finding>& findings) {
  const auto found = disks.find(replica.storage);
  if (found == disks.end() || !found->second || found->second->epoch <= file.layout.epoch) return;
  findings.push_back(newerThan(file, replica.storage, *found->second));
}

void judgeReplica(const CatalogFile& file, const Replica& replica, const std::optional<Stored>& stored,
                  std::vector<Finding>& findings) {
  if (!stored) {
    // Of a file that no byte was written to there is nothing on the disk.
    if (file.attr.size > 0) findings.push_back({Kind::missing, replica.storage, "the replica is not on its disk"});
    return;
  }
  if (!stored->readable()) {
    findings.push_back({Kind::unreadable, replica.storage, "the replica's attributes cannot be read"});
  } else if (file.sealed() && stored->size != file.attr.size) {
    findings.push_back({Kind::size, replica.storage,
                        fmt::format("{} bytes, where the catalog says {}", stored->size, file.attr.size)});
  }
}

}  // namespace

std::vector<Finding> judgeFile(const CatalogFile& file, const OnDisks& disks) {
  std::vector<Finding> findings;
  if (!file.exists()) return findings;
  if (file.attr.nlink == 0) {
    if (!file.trashed) findings.push_back({Kind::leaked, 0, "it has no name and is not in the trash"});
    return findings;
  }
  if (!file.isFile()) return findings;
  if (file.attr.state == FileState::lost) {
    findings.push_back({Kind::lost, 0, fmt::format("its {} bytes went with a server that is gone", file.attr.size)});
    return findings;
  }
  std::uint32_t useful = 0;
  bool anyInSync = false;
  for (const Replica& replica : file.layout.replicas) {
    judgeEpoch(file, replica, disks, findings);
    if (replica.state == ReplicaState::stale) continue;
    ++useful;
    if (replica.state != ReplicaState::inSync) continue;
    anyInSync = true;
    const auto found = disks.find(replica.storage);
    if (found != disks.end()) judgeReplica(file, replica, found->second, findings);
  }
  if (!anyInSync) {
    findings.push_back({Kind::degraded, 0, "no replica is in sync"});
  } else if (useful < file.copies) {
    findings.push_back({Kind::degraded, 0, fmt::format("{} of {} copies", useful, file.copies)});
    for (const Replica& replica : file.layout.replicas) {
      if (replica.state == ReplicaState::stale) {
        findings.push_back({Kind::stale, replica.storage, "the replica missed something and is not being caught up"});
      }
    }
  }
  return findings;
}

std::optional<Finding> judgeStored(const CatalogFile& file, StorageId storage, const Stored& stored) {
  if (file.on(storage) != nullptr) return std::nullopt;
  if (std::find(file.removals.begin(), file.removals.end(), storage) != file.removals.end()) return std::nullopt;
  const bool needed = file.isFile() && file.attr.nlink != 0 && file.attr.state != FileState::lost;
  if (needed && stored.epoch > file.layout.epoch) return newerThan(file, storage, stored);
  return Finding{Kind::extra, storage,
                 file.exists() ? "the catalog does not place the file on this server" : "the catalog has no such file"};
}

std::optional<StorageId> oddOne(const ByteVersions& versions) {
  std::size_t all = 0, most = 0;
  std::optional<StorageId> odd;
  for (const auto& [sums, storages] : versions) {
    all += storages.size();
    most = std::max(most, storages.size());
    if (storages.size() == 1) odd = storages.front();
  }
  return most * 2 > all ? odd : std::nullopt;
}

std::optional<Finding> judgeLinks(const CatalogFile& file, const LinkCounts& links) {
  if (!file.exists()) return std::nullopt;
  const bool directory = file.attr.type == FileType::directory;
  const std::uint64_t expected = directory ? 2 + links.subdirectories : links.names;
  const bool removed = file.attr.nlink == 0;
  if (removed && links.names == 0) return std::nullopt;
  const bool root = file.attr.inode == kRootInode;
  if (directory && !removed && !root && links.names != 1) {
    return Finding{Kind::links, 0, fmt::format("{} names lead to the directory", links.names)};
  }
  if (file.attr.nlink == expected) return std::nullopt;
  return Finding{Kind::links, 0, fmt::format("link count {}, where it should be {}", file.attr.nlink, expected)};
}

std::optional<Finding> judgeName(const Name& name) {
  if (name.inodeType == FileType::none) return Finding{Kind::dangling, 0, "the name leads to no inode"};
  if (name.parentType != FileType::directory) return Finding{Kind::dangling, 0, "the name is in no directory"};
  if (name.inodeType != name.type) return Finding{Kind::dangling, 0, "the name has another type than its inode"};
  if (name.type == FileType::directory && name.inodeParent != name.parent) {
    return Finding{Kind::dangling, 0, "the directory believes to be elsewhere"};
  }
  return std::nullopt;
}

namespace {

// A replica that missed something and was about to be caught up has the latest epoch too, and looks complete. So none
// may be chosen when another one is longer, or as long and sealed at another time.
bool mayHaveMore(const CatalogFile& file, const OnDisks& disks, const Newest& newest) {
  const Stored& chosen = *disks.at(newest.holders.front());
  for (const auto& [storage, stored] : disks) {
    const bool leaves = std::find(file.removals.begin(), file.removals.end(), storage) != file.removals.end();
    if (!stored || leaves || stored->gaps || stored->epoch != newest.epoch) continue;
    if (stored->size > chosen.size) return true;
    const bool dated = stored->sealedMtimeNs != 0 && chosen.sealedMtimeNs != 0;
    if (dated && stored->sealedMtimeNs != chosen.sealedMtimeNs && stored->size == chosen.size) return true;
  }
  return false;
}

}  // namespace

Newest newestOf(const CatalogFile& file, const OnDisks& disks) {
  Newest newest;
  for (const auto& [storage, stored] : disks) {
    if (stored) newest.epoch = std::max(newest.epoch, stored->epoch);
  }
  // The higher, the better: sealed ones, then by size.
  using Rank = std::pair<bool, std::uint64_t>;
  Rank best;
  for (const auto& [storage, stored] : disks) {
    const bool leaves = std::find(file.removals.begin(), file.removals.end(), storage) != file.removals.end();
    if (!stored || leaves || stored->gaps || !stored->readable() || stored->epoch != newest.epoch) continue;
    const Rank rank(stored->sealed(), stored->size);
    if (newest.holders.empty() || rank > best) {
      newest.holders.assign(1, storage);
      best = rank;
    } else if (rank == best && stored->sealed()) {
      newest.holders.push_back(storage);
    }
  }
  if (!newest.holders.empty() && mayHaveMore(file, disks, newest)) newest.holders.clear();
  return newest;
}

bool mayDeleteExtra(const CatalogFile& file, StorageId storage, const Stored& stored, std::int64_t now,
                    std::int64_t keepNs) {
  if (file.on(storage) != nullptr) return false;
  if (stored.readable() && stored.mtimeNs + keepNs > now) return false;
  if (!file.exists()) return true;
  // A replica that knows more than the catalog is worth a look by a person.
  if (stored.epoch > file.layout.epoch) return false;
  return std::any_of(file.layout.replicas.begin(), file.layout.replicas.end(),
                     [](const Replica& r) { return r.state == ReplicaState::inSync; });
}

bool mayReplace(const CatalogFile& file, StorageId bad, const OnDisks& disks) {
  if (!file.sealed()) return false;
  for (const Replica& replica : file.layout.replicas) {
    if (replica.storage == bad || replica.state != ReplicaState::inSync) continue;
    const auto found = disks.find(replica.storage);
    if (found == disks.end() || !found->second) continue;
    if (found->second->readable() && found->second->size == file.attr.size) return true;
  }
  return false;
}

}  // namespace vcfs::cli::fsck
