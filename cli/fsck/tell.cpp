#include <spdlog/fmt/fmt.h>

#include "cli/fsck/places.h"
#include "cli/fsck/scan.h"

// Problems that were seen often enough: repaired where that is asked for and safe, and named.
namespace vcfs::cli::fsck {

namespace {

constexpr Duration kGiveUpLimit = std::chrono::seconds(10);
constexpr Duration kGiveUpPause = std::chrono::milliseconds(100);
constexpr const char* kNewerFirst = "what is newer on a disk comes first: then run vcfs fsck again";
constexpr const char* kChanged = "the file has changed meanwhile, or the disk does not delete it: run vcfs fsck again";

bool countsInSync(const Layout& layout, StorageId storage) {
  return std::any_of(layout.replicas.begin(), layout.replicas.end(), [storage](const Replica& replica) {
    return replica.storage == storage && replica.state == ReplicaState::inSync;
  });
}

// docs/storage-format.md
std::string fileOn(const Server& server, InodeId inode) {
  return fmt::format("{}/{:02x}/{:02x}/{:016x}", server.data, (inode >> 16) & 0xff, (inode >> 8) & 0xff, inode);
}

}  // namespace

std::string summary(const Report& report) {
  std::string text = fmt::format("{} inodes, {} names, {} replicas: ", report.files, report.names, report.replicas);
  text += report.clean() ? "clean" : fmt::format("{} problems", report.found);
  if (!report.unreachable.empty()) {
    text += fmt::format(", but not all could be asked ({} unreachable)", report.unreachable.size());
  }
  return text;
}

Task<void> Scan::tell(InodeId inode, Suspect suspect) {
  const bool newer = !suspect.findings.empty() && suspect.findings.begin()->first.first == Kind::newer;
  for (const auto& [key, detail] : suspect.findings) {
    ++report_.found;
    Problem problem;
    problem.finding = Finding{key.first, key.second, detail};
    problem.inode = inode;
    if (key.second != 0) {
      problem.server = serverName(key.second);
      const auto server = servers_.find(key.second);
      if (server != servers_.end()) problem.file = fileOn(server->second, inode);
    }
    std::optional<Error> failure;
    try {
      if (newer && key.first != Kind::newer) {
        problem.remedy = kNewerFirst;
      } else {
        co_await repair(problem, suspect.file);
      }
    } catch (const Error& error) {
      failure = error;
    }
    if (failure) problem.remedy = std::string("the repair failed: ") + failure->what();
    if (report_.problems.size() < options_.most) report_.problems.push_back(std::move(problem));
  }
}

Task<void> Scan::repair(Problem& problem, const CatalogFile& file) {
  const StorageId storage = problem.finding.storage;
  const Kind kind = problem.finding.kind;
  if (kind == Kind::lost) {
    problem.remedy = "remove it; if there is a backup: remove it first, then `vcfs put`";
    co_return;
  }
  if (kind == Kind::newer) {
    co_await adoptNewest(problem, file);
    co_return;
  }
  const bool nowhere = kind == Kind::degraded && file.layout.primary() == nullptr;
  if (nowhere) {
    problem.remedy = "report it: this should never happen";
    co_return;
  }
  if (kind == Kind::stale || kind == Kind::degraded) {
    problem.remedy = "bring the missing servers back, or add one to the group: the cluster copies by itself";
    co_return;
  }
  if (kind == Kind::orphan || kind == Kind::links || kind == Kind::leaked) {
    problem.remedy = "report it: this should never happen";
    co_return;
  }
  if (kind == Kind::checksum && storage == 0) {
    problem.remedy = "look at both files: none can be said to be the right one";
    co_return;
  }
  std::vector<CatalogFile> files(1, file);
  std::vector<std::pair<InodeId, StorageId>> also;
  for (const auto& [id, server] : servers_) also.emplace_back(problem.inode, id);
  Disks disks = co_await inspectAll(std::move(files), std::move(also));
  const OnDisks& found = disks[problem.inode];
  const bool newer = std::any_of(found.begin(), found.end(),
                                 [&](const auto& one) { return one.second && one.second->epoch > file.layout.epoch; });
  // On a server that the catalog does not name it is found later than this.
  if (newer && file.exists()) {
    problem.remedy = kNewerFirst;
    co_return;
  }
  const Server server = servers_.at(storage);
  if (kind == Kind::extra) {
    const auto at = found.find(storage);
    const std::int64_t now = sources_.runtime().clock.wallNs();
    if (at == found.end() || !at->second || !mayDeleteExtra(file, storage, *at->second, now, keepNs_)) {
      problem.remedy = "it is not deleted before the trash retention is over, nor when it knows more than the catalog";
    } else if (!options_.repair) {
      problem.remedy = "vcfs fsck --repair deletes it";
    } else {
      // Nobody knew a later epoch a moment ago: it gets one with the replica when it is placed there after all.
      const Epoch upTo = std::max(at->second->epoch, file.layout.epoch);
      problem.repaired = co_await sources_.remove(server, problem.inode, upTo);
      problem.remedy = problem.repaired ? "deleted" : kChanged;
    }
    co_return;
  }
  if (!mayReplace(file, storage, found)) {
    problem.remedy = "no other replica is known to be good: restore the file, or bring back a server that has it";
  } else if (!options_.repair) {
    problem.remedy = "vcfs fsck --repair copies it again from another replica";
  } else {
    // What is wrong must be gone before the server may take part again: it would trust what it has in memory.
    const bool removed = co_await sources_.remove(server, problem.inode, file.layout.epoch);
    if (removed) co_await giveUp(file.layout, storage);
    problem.repaired = removed;
    problem.remedy = removed ? "is being copied again" : kChanged;
  }
}

// The catalog goes on from the replicas of the latest epoch that any disk has, which must not be on one that could not
// be asked.
Task<void> Scan::adoptNewest(Problem& problem, const CatalogFile& file) {
  std::vector<CatalogFile> files(1, file);
  std::vector<std::pair<InodeId, StorageId>> also;
  for (const auto& [id, server] : servers_) also.emplace_back(problem.inode, id);
  Disks disks = co_await inspectAll(std::move(files), std::move(also));
  if (!report_.unreachable.empty()) {
    problem.remedy = "start every storage server first: one that is away may have what is newest";
    co_return;
  }
  const Newest newest = newestOf(file, disks[problem.inode]);
  if (newest.holders.empty()) {
    problem.remedy = "look at the files on the disks: none of the latest epoch can be said to be whole";
    co_return;
  }
  if (!options_.repair) {
    problem.remedy = "vcfs fsck --repair goes on from what is newest";
    co_return;
  }
  const Layout now = co_await sources_.adoptNewer(problem.inode, file.layout.epoch, newest.epoch, newest.holders);
  problem.repaired = now.epoch > newest.epoch;
  problem.remedy = problem.repaired ? "the catalog goes on from the newest replicas" : kChanged;
}

// Its replica is deleted. Until the catalog knows, readers are sent there in vain; a report of an epoch that is over
// changes nothing, nor does one of a primary of whose successors somebody has still to speak.
Task<void> Scan::giveUp(Layout layout, StorageId storage) {
  const TimePoint limit = sources_.runtime().clock.now() + kGiveUpLimit;
  while (true) {
    layout = co_await sources_.reportLost(layout.inode, layout.epoch, storage);
    if (!countsInSync(layout, storage)) co_return;
    if (sources_.runtime().clock.now() >= limit) {
      throw Error(Errc::unavailable,
                  "the replica is deleted, and no tracker takes that in: run vcfs fsck --repair again");
    }
    co_await sources_.runtime().clock.sleep(kGiveUpPause);
  }
}

// One more pass over the names, only when there is something to be named.
Task<void> Scan::nameProblems() {
  std::set<InodeId> inodes;
  for (const Problem& problem : report_.problems) {
    if (problem.inode != 0) inodes.insert(problem.inode);
  }
  std::map<InodeId, Place> places = co_await placesOf(sources_, std::move(inodes));
  std::set<InodeId> parents;
  for (Problem& problem : report_.problems) {
    if (problem.inode != 0) {
      problem.parent = places[problem.inode].parent;
      problem.name = places[problem.inode].name;
    }
    if (problem.parent != 0) parents.insert(problem.parent);
  }
  std::map<InodeId, std::string> paths = co_await pathsOf(sources_, std::move(parents));
  for (Problem& problem : report_.problems) {
    if (problem.parent != 0) problem.path = paths[problem.parent] + "/" + problem.name;
    if (problem.inode == kRootInode) problem.path = "/";
  }
}

}  // namespace vcfs::cli::fsck
