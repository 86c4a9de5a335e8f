#include "cli/fsck/scan.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace vcfs::cli::fsck {

namespace {

constexpr std::size_t kMostSuspects = 1000;  // files, before they are looked at again
constexpr std::size_t kMostLinkSuspects = 100'000;
constexpr Duration kPause = std::chrono::seconds(1);  // between two looks at a suspect
constexpr std::int64_t kMinuteNs = 60'000'000'000;

}  // namespace

bool sameVersion(const CatalogFile& a, const CatalogFile& b) {
  return a.exists() == b.exists() && a.attr.changeId == b.attr.changeId && a.layout.epoch == b.layout.epoch;
}

Task<std::vector<Name>> NamesAfter::next() {
  NamesPage page = co_await sources_.names(parent_, name_);
  more_ = page.more;
  if (!page.names.empty()) {
    parent_ = page.names.back().parent;
    name_ = page.names.back().name;
  }
  co_return std::move(page.names);
}

std::string Scan::serverName(StorageId id) const {
  const auto found = servers_.find(id);
  return found == servers_.end() ? fmt::format("storage {}", id) : found->second.name;
}

Task<void> Scan::pause() { co_await sources_.runtime().clock.sleep(kPause); }

void Scan::lost(StorageId storage, const Error& error) {
  Server& server = servers_.at(storage);
  if (!server.up) return;
  server.up = false;
  report_.unreachable.push_back(server.name);
}

Task<void> Scan::run() {
  std::vector<Server> servers = co_await sources_.servers();
  for (Server& server : servers) {
    if (!server.up) report_.unreachable.push_back(server.name);
    servers_[server.id] = std::move(server);
  }
  keepNs_ = co_await sources_.trashRetentionNs() + kMinuteNs;
  auto counted = std::make_shared<Counted>();
  while (true) {
    co_await countNames(counted, counted->from == 0);
    co_await checkFiles(counted);
    co_await settle();
    co_await recheckLinks();
    if (counted->upTo == kEnd) break;
    counted->from = counted->upTo;
  }
  co_await checkDisks();
  co_await settle();
  co_await nameProblems();
}

// ---- catalog against disks ------------------------------------------------------------------------------------------

Task<void> Scan::checkFiles(std::shared_ptr<Counted> counted) {
  InodeId after = counted->from == 0 ? 0 : counted->from - 1;
  for (bool more = true; more;) {
    FilesPage page = co_await sources_.files(after);
    more = page.more;
    if (!page.files.empty()) after = page.files.back().attr.inode;
    if (after + 1 >= counted->upTo) more = false;
    std::erase_if(page.files, [&](const CatalogFile& file) { return file.attr.inode >= counted->upTo; });
    co_await checkPage(std::move(page), counted);
    if (suspects_.size() >= kMostSuspects) co_await settle();
  }
}

Task<void> Scan::checkPage(FilesPage page, std::shared_ptr<Counted> counted) {
  for (const auto& [table, inode] : page.orphans) {
    CatalogFile none;
    none.attr.inode = inode;
    suspect(none, Finding{Kind::orphan, 0, "a row of " + table + " without an inode"});
  }
  std::vector<std::pair<InodeId, StorageId>> nowhereElse;
  Disks disks = co_await inspectAll(page.files, std::move(nowhereElse));
  for (const CatalogFile& file : page.files) {
    ++report_.files;
    for (const Finding& finding : judgeFile(file, disks[file.attr.inode])) suspect(file, finding);
    const bool full = linkSuspects_.size() >= kMostLinkSuspects;
    if (!full && judgeLinks(file, counted->of(file.attr.inode))) linkSuspects_.insert(file.attr.inode);
    if (!options_.deep) continue;
    const std::optional<Finding> different = co_await compareBytes(file);
    if (different) suspect(file, *different);
  }
}

Task<Scan::Disks> Scan::inspectAll(std::vector<CatalogFile> files, std::vector<std::pair<InodeId, StorageId>> also) {
  std::map<StorageId, std::set<InodeId>> wanted;
  for (const CatalogFile& file : files) {
    for (const Replica& replica : file.layout.replicas) {
      wanted[replica.storage].insert(file.attr.inode);
    }
  }
  for (const auto& [inode, storage] : also) wanted[storage].insert(inode);
  Disks disks;
  for (const auto& [storage, inodes] : wanted) {
    const auto server = servers_.find(storage);
    if (server == servers_.end() || !server->second.up) continue;
    const std::vector<InodeId> list(inodes.begin(), inodes.end());
    try {
      const auto found = co_await sources_.inspect(server->second, list);
      for (InodeId inode : list) {
        const auto at = found.find(inode);
        disks[inode][storage] = at == found.end() ? std::optional<Stored>() : std::optional<Stored>(at->second);
      }
      report_.replicas += found.size();
    } catch (const Error& error) {
      lost(storage, error);
    }
  }
  co_return disks;
}

void Scan::suspect(const CatalogFile& file, const Finding& finding) {
  Suspect& entry = suspects_[file.attr.inode];
  entry.file = file;
  entry.findings[{finding.kind, finding.storage}] = finding.detail;
}

// Sealed files only: the bytes of others are on their way.
Task<std::optional<Finding>> Scan::compareBytes(CatalogFile file) {
  constexpr std::uint32_t kBlock = 1u << 20;
  constexpr std::uint32_t kBlocks = 64;
  std::optional<Finding> finding;
  const std::vector<StorageId> holders = holdersOf(file);
  if (!file.sealed() || file.attr.nlink == 0 || holders.size() < 2) co_return finding;
  const std::uint64_t step = std::uint64_t{kBlock} * kBlocks;
  for (std::uint64_t offset = 0; offset < file.attr.size; offset += step) {
    ByteVersions versions;
    for (StorageId storage : holders) {
      try {
        auto sums = co_await sources_.checksums(servers_.at(storage), file.attr.inode, offset, kBlock, kBlocks);
        versions[std::move(sums)].push_back(storage);
      } catch (const Error& error) {
        if (remedyOf(error.code()) != Remedy::fixRequest) lost(storage, error);
        co_return finding;
      }
    }
    report_.bytesCompared += std::min(step, file.attr.size - offset) * holders.size();
    if (versions.size() < 2) continue;
    finding = different(offset, versions, holders);
    co_return finding;
  }
  co_return finding;
}

// The servers that are up and have an in-sync replica.
std::vector<StorageId> Scan::holdersOf(const CatalogFile& file) const {
  std::vector<StorageId> holders;
  for (const Replica& replica : file.layout.replicas) {
    const auto server = servers_.find(replica.storage);
    const bool up = server != servers_.end() && server->second.up;
    if (up && replica.state == ReplicaState::inSync) holders.push_back(replica.storage);
  }
  return holders;
}

Finding Scan::different(std::uint64_t offset, const ByteVersions& versions,
                        const std::vector<StorageId>& holders) const {
  const std::optional<StorageId> wrong = oddOne(versions);
  std::vector<std::string> names;
  names.reserve(holders.size());
  for (StorageId storage : holders) names.push_back(serverName(storage));
  const std::string which = wrong ? "" : fmt::format(" (on {})", fmt::join(names, ", "));
  return Finding{Kind::checksum, wrong.value_or(0),
                 fmt::format("the bytes at {} … differ between the replicas{}", offset, which)};
}

// ---- disks against the catalog --------------------------------------------------------------------------------------

Task<void> Scan::checkDisks() {
  std::vector<Server> up;
  for (const auto& [id, server] : servers_) {
    if (server.up) up.push_back(server);
  }
  for (const Server& server : up) {
    std::optional<Error> failure;
    try {
      co_await checkDisk(server);
    } catch (const Error& error) {
      failure = error;
    }
    if (failure) lost(server.id, *failure);
  }
}

Task<void> Scan::checkDisk(Server server) {
  InodeId after = 0;
  for (bool more = true; more;) {
    const StoredPage page = co_await sources_.stored(server, after);
    more = page.more && !page.replicas.empty();
    std::vector<InodeId> inodes;
    for (const auto& [inode, stored] : page.replicas) inodes.push_back(inode);
    if (inodes.empty()) co_return;
    after = inodes.back();
    const std::vector<CatalogFile> files = co_await sources_.filesOf(inodes);
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (const auto finding = judgeStored(files[i], server.id, page.replicas[i].second)) suspect(files[i], *finding);
    }
    if (suspects_.size() >= kMostSuspects) co_await settle();
  }
}

}  // namespace vcfs::cli::fsck
