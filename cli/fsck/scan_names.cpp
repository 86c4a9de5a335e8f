// Names: what they lead to, and how many lead to each inode.
#include <algorithm>

#include "cli/fsck/scan.h"

namespace vcfs::cli::fsck {

namespace {

constexpr std::size_t kMostCounted = 4'000'000;  // names at a time
constexpr int kAgreeing = 2;                     // looks that must say the same

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

}  // namespace

LinkCounts Scan::Counted::of(InodeId inode) const {
  return LinkCounts{countOf(names, inode), countOf(subdirectories, inode)};
}

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
  NamesAfter names(sources_);
  while (names.more()) {
    const std::vector<Name> page = co_await names.next();
    for (const Name& entry : page) {
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

// How many names lead to each of these inodes, and how many subdirectories each has.
Task<std::map<InodeId, LinkCounts>> Scan::countLinksOf(std::vector<InodeId> inodes) {
  std::map<InodeId, LinkCounts> links;
  for (InodeId inode : inodes) links[inode] = LinkCounts();
  NamesAfter names(sources_);
  while (names.more()) {
    const std::vector<Name> page = co_await names.next();
    for (const Name& entry : page) {
      if (const auto at = links.find(entry.inode); at != links.end()) ++at->second.names;
      const auto above = links.find(entry.parent);
      if (entry.type == FileType::directory && above != links.end()) ++above->second.subdirectories;
    }
  }
  co_return links;
}

Task<std::map<InodeId, CatalogFile>> Scan::filesNow(std::vector<InodeId> inodes) {
  std::map<InodeId, CatalogFile> now;
  for (std::size_t at = 0; at < inodes.size(); at += kBatch) {
    const std::vector<InodeId> batch = batchAt(inodes, at);
    std::vector<CatalogFile> files = co_await sources_.filesOf(batch);
    for (CatalogFile& file : files) now[file.attr.inode] = std::move(file);
  }
  co_return now;
}

Task<void> Scan::recheckLinks() {
  std::vector<InodeId> inodes(linkSuspects_.begin(), linkSuspects_.end());
  linkSuspects_.clear();
  std::map<InodeId, std::pair<CatalogFile, Finding>> wrong;
  for (int look = 0; look < kAgreeing && !inodes.empty(); ++look) {
    co_await pause();
    std::map<InodeId, CatalogFile> before = co_await filesNow(inodes);
    std::map<InodeId, LinkCounts> links = co_await countLinksOf(inodes);
    const std::map<InodeId, CatalogFile> now = co_await filesNow(inodes);
    wrong.clear();
    inodes.clear();
    for (const auto& [inode, file] : now) {
      // What changed while the names were counted cannot be judged.
      if (!sameVersion(before[inode], file)) continue;
      if (const auto finding = judgeLinks(file, links[inode])) {
        wrong[inode] = {file, *finding};
        inodes.push_back(inode);
      }
    }
  }
  for (auto& [inode, item] : wrong) {
    Suspect one;
    one.file = item.first;
    one.findings[{item.second.kind, 0}] = item.second.detail;
    co_await tell(inode, std::move(one));
  }
}

}  // namespace vcfs::cli::fsck
