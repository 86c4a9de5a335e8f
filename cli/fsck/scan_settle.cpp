// A second and a third look at what seemed wrong.
#include "cli/fsck/scan.h"

namespace vcfs::cli::fsck {

namespace {

constexpr int kMostLooks = 5;  // at a file that changes all the time; then it is left out
constexpr int kAgreeing = 2;   // looks that must say the same

}  // namespace

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
      const bool elsewhere = key.first == Kind::extra || key.first == Kind::newer;
      if (elsewhere) also.emplace_back(one.file.attr.inode, key.second);
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
      } else if (key.first == Kind::extra || key.first == Kind::newer) {
        const std::optional<Stored>& stored = disks[inodes[i]][key.second];
        const auto finding = stored ? judgeStored(files[i], key.second, *stored) : std::nullopt;
        if (finding) add(*finding);
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
      std::vector<Suspect> batch = batchAt(pending, at);
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

}  // namespace vcfs::cli::fsck
