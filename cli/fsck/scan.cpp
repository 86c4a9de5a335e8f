#include "cli/fsck/scan.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

namespace vcfs::cli::fsck {

namespace {

constexpr std::size_t kMostCounted = 4'000'000;  // names at a time
constexpr std::size_t kMostSuspects = 1000;      // files, before they are looked at again
constexpr std::size_t kMostLinkSuspects = 100'000;
constexpr std::size_t kBatch = 500;                   // files per call
constexpr Duration kPause = std::chrono::seconds(1);  // between two looks at a suspect
constexpr int kMostLooks = 5;                         // at a file that changes all the time; then it is left out
constexpr int kAgreeing = 2;                          // looks that must say the same
constexpr std::int64_t kMinuteNs = 60'000'000'000;

// The greatest byte string in practice that sorts before `name`.
std::string justBefore(std::string name) {
  if (name.empty()) return name;
  name.back() = static_cast<char>(static_cast<unsigned char>(name.back()) - 1);
  return name + "\xff";
}

std::uint64_t countOf(const std::vector<InodeId>& sorted, InodeId inode) {
  const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), inode);
  return static_cast<std::uint64_t>(last - first);
}

bool sameVersion(const CatalogFile& a, const CatalogFile& b) {
  return a.exists() == b.exists() && a.attr.changeId == b.attr.changeId && a.layout.epoch == b.layout.epoch;
}

}  // namespace

LinkCounts Scan::Counted::of(InodeId inode) const {
  return LinkCounts{countOf(names, inode), countOf(subdirectories, inode)};
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

// ---- names ----------------------------------------------------------------------------------------------------------

// Too many to keep: the upper half of the inodes is left to the next pass.
void Scan::shrink(Counted& counted) const {
  const auto middle = counted.names.begin() + static_cast<std::ptrdiff_t>(counted.names.size() / 2);
  std::nth_element(counted.names.begin(), middle, counted.names.end());
  counted.upTo = std::max(*middle, counted.from + 1);
  auto beyond = [&](InodeId inode) { return inode >= counted.upTo; };
  std::erase_if(counted.names, beyond);
  std::erase_if(counted.subdirectories, beyond);
}

Task<void> Scan::countNames(std::shared_ptr<Counted> counted, bool first) {
  counted->names.clear();
  counted->subdirectories.clear();
  counted->upTo = kEnd;
  auto within = [&](InodeId inode) { return inode >= counted->from && inode < counted->upTo; };
  InodeId parent = 0;
  std::string name;
  for (bool more = true; more;) {
    const NamesPage page = co_await sources_.names(parent, name);
    more = page.more;
    for (const Name& entry : page.names) {
      parent = entry.parent;
      name = entry.name;
      if (within(entry.inode)) counted->names.push_back(entry.inode);
      if (entry.type == FileType::directory && within(entry.parent)) counted->subdirectories.push_back(entry.parent);
      if (!first) continue;
      ++report_.names;
      if (judgeName(entry)) co_await checkName(entry);
    }
    if (counted->names.size() + counted->subdirectories.size() > kMostCounted) shrink(*counted);
  }
  std::sort(counted->names.begin(), counted->names.end());
  std::sort(counted->subdirectories.begin(), counted->subdirectories.end());
}

Task<void> Scan::checkName(Name suspect) {
  std::optional<Finding> finding;
  for (int look = 0; look < kAgreeing; ++look) {
    co_await pause();
    const NamesPage page = co_await sources_.names(suspect.parent, justBefore(suspect.name));
    finding.reset();
    for (const Name& entry : page.names) {
      if (entry.parent == suspect.parent && entry.name == suspect.name) finding = judgeName(entry);
    }
    if (!finding) co_return;
  }
  ++report_.found;
  if (report_.problems.size() >= options_.most) co_return;
  Problem problem;
  problem.finding = *finding;
  problem.parent = suspect.parent;
  problem.name = suspect.name;
  problem.remedy = "restore the catalog from a backup, or report it: this should never happen";
  report_.problems.push_back(std::move(problem));
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
      if (replica.state == ReplicaState::inSync) wanted[replica.storage].insert(file.attr.inode);
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
  std::vector<StorageId> holders;
  for (const Replica& replica : file.layout.replicas) {
    const auto server = servers_.find(replica.storage);
    const bool up = server != servers_.end() && server->second.up;
    if (up && replica.state == ReplicaState::inSync) holders.push_back(replica.storage);
  }
  if (!file.sealed() || file.attr.nlink == 0 || holders.size() < 2) co_return finding;
  const std::uint64_t step = std::uint64_t{kBlock} * kBlocks;
  for (std::uint64_t offset = 0; offset < file.attr.size; offset += step) {
    std::map<std::vector<std::uint32_t>, std::vector<StorageId>> versions;
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
    // One against at least two is the wrong one.
    StorageId odd = 0;
    bool majority = false;
    for (const auto& [sums, storages] : versions) {
      if (storages.size() == 1) odd = storages.front();
      if (storages.size() * 2 > holders.size()) majority = true;
    }
    std::vector<std::string> names;
    for (StorageId storage : holders) names.push_back(serverName(storage));
    const std::string which = majority ? "" : fmt::format(" (on {})", fmt::join(names, ", "));
    finding = Finding{Kind::checksum, majority ? odd : 0,
                      fmt::format("the bytes at {} … differ between the replicas{}", offset, which)};
    co_return finding;
  }
  co_return finding;
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
    for (const CatalogFile& file : files) {
      if (const auto finding = judgeStored(file, server.id)) suspect(file, *finding);
    }
    if (suspects_.size() >= kMostSuspects) co_await settle();
  }
}

// ---- a second and a third look --------------------------------------------------------------------------------------

Task<bool> Scan::isOrphan(InodeId inode) {
  const FilesPage page = co_await sources_.files(inode - 1);
  co_return std::any_of(page.orphans.begin(), page.orphans.end(), [&](const auto& o) { return o.second == inode; });
}

// The same files as they are now; `findings` are all that can be said of them.
Task<std::vector<Scan::Suspect>> Scan::lookAgain(std::vector<Suspect> before) {
  std::vector<InodeId> inodes;
  std::vector<std::pair<InodeId, StorageId>> also;
  for (const Suspect& one : before) {
    inodes.push_back(one.file.attr.inode);
    for (const auto& [key, detail] : one.findings) {
      if (key.first == Kind::extra) also.emplace_back(one.file.attr.inode, key.second);
    }
  }
  const std::vector<CatalogFile> files = co_await sources_.filesOf(inodes);
  Disks disks = co_await inspectAll(files, std::move(also));
  std::vector<Suspect> now(before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    now[i].file = files[i];
    auto add = [&](const Finding& finding) { now[i].findings[{finding.kind, finding.storage}] = finding.detail; };
    for (const Finding& finding : judgeFile(files[i], disks[inodes[i]])) add(finding);
    for (const auto& [key, detail] : before[i].findings) {
      if (key.first == Kind::checksum) {
        const std::optional<Finding> different = co_await compareBytes(files[i]);
        if (different) add(*different);
      } else if (key.first == Kind::orphan) {
        const bool orphan = co_await isOrphan(inodes[i]);
        if (orphan) now[i].findings[key] = detail;
      } else if (key.first == Kind::extra && disks[inodes[i]][key.second]) {
        if (const auto extra = judgeStored(files[i], key.second)) add(*extra);
      }
    }
  }
  co_return now;
}

Task<void> Scan::settle() {
  std::vector<Suspect> pending;
  for (auto& [inode, one] : suspects_) pending.push_back(std::move(one));
  suspects_.clear();
  std::map<InodeId, int> agreed;
  for (int look = 0; look < kMostLooks && !pending.empty(); ++look) {
    co_await pause();
    std::vector<Suspect> still;
    for (std::size_t at = 0; at < pending.size(); at += kBatch) {
      const auto from = pending.begin() + static_cast<std::ptrdiff_t>(at);
      const auto to = pending.begin() + static_cast<std::ptrdiff_t>(std::min(at + kBatch, pending.size()));
      std::vector<Suspect> batch(from, to);
      std::vector<Suspect> now = co_await lookAgain(batch);
      for (std::size_t i = 0; i < batch.size(); ++i) {
        std::erase_if(now[i].findings, [&](const auto& item) { return !batch[i].findings.contains(item.first); });
        if (now[i].findings.empty()) continue;
        const InodeId inode = now[i].file.attr.inode;
        agreed[inode] = sameVersion(batch[i].file, now[i].file) ? agreed[inode] + 1 : 0;
        if (agreed[inode] < kAgreeing) {
          still.push_back(std::move(now[i]));
        } else {
          co_await tell(inode, std::move(now[i]));
        }
      }
    }
    pending = std::move(still);
  }
}

Task<void> Scan::recheckLinks() {
  std::vector<InodeId> inodes(linkSuspects_.begin(), linkSuspects_.end());
  linkSuspects_.clear();
  std::map<InodeId, std::pair<CatalogFile, Finding>> wrong;
  for (int look = 0; look < kAgreeing && !inodes.empty(); ++look) {
    co_await pause();
    std::map<InodeId, CatalogFile> before;
    for (std::size_t at = 0; at < inodes.size(); at += kBatch) {
      const std::vector<InodeId> batch(
          inodes.begin() + static_cast<std::ptrdiff_t>(at),
          inodes.begin() + static_cast<std::ptrdiff_t>(std::min(at + kBatch, inodes.size())));
      std::vector<CatalogFile> files = co_await sources_.filesOf(batch);
      for (CatalogFile& file : files) before[file.attr.inode] = std::move(file);
    }
    std::map<InodeId, LinkCounts> links;
    for (InodeId inode : inodes) links[inode] = LinkCounts();
    InodeId parent = 0;
    std::string name;
    for (bool more = true; more;) {
      const NamesPage page = co_await sources_.names(parent, name);
      more = page.more;
      for (const Name& entry : page.names) {
        parent = entry.parent;
        name = entry.name;
        if (const auto at = links.find(entry.inode); at != links.end()) ++at->second.names;
        const auto above = links.find(entry.parent);
        if (entry.type == FileType::directory && above != links.end()) ++above->second.subdirectories;
      }
    }
    wrong.clear();
    std::vector<InodeId> again;
    for (std::size_t at = 0; at < inodes.size(); at += kBatch) {
      const std::vector<InodeId> batch(
          inodes.begin() + static_cast<std::ptrdiff_t>(at),
          inodes.begin() + static_cast<std::ptrdiff_t>(std::min(at + kBatch, inodes.size())));
      const std::vector<CatalogFile> files = co_await sources_.filesOf(batch);
      for (const CatalogFile& file : files) {
        const InodeId inode = file.attr.inode;
        // What changed while the names were counted cannot be judged.
        if (!sameVersion(before[inode], file)) continue;
        if (const auto finding = judgeLinks(file, links[inode])) {
          wrong[inode] = {file, *finding};
          again.push_back(inode);
        }
      }
    }
    inodes = std::move(again);
  }
  for (auto& [inode, item] : wrong) {
    Suspect one;
    one.file = item.first;
    one.findings[{item.second.kind, 0}] = item.second.detail;
    co_await tell(inode, std::move(one));
  }
}

}  // namespace vcfs::cli::fsck
