// storage remove: a server that is stopped is forgotten, empty or with what only it had.
#include "cli/commands/storages.h"
#include "cli/core/loss_report.h"
#include "cli/core/time_budget.h"
#include "cli/core/usage_error.h"
#include "cli/fsck/places.h"

namespace vcfs::cli {
namespace {

using TrackerClient = schema::Tracker::Client;
using ServerNames = std::map<StorageId, std::string>;

constexpr std::uint32_t kPage = 100;  // files per call: each may have to be cut and synced on a disk
// Present names are looked up for so long, of all pages together.
constexpr Duration kNaming = std::chrono::seconds(10);

Task<ServerNames> serverNames(std::shared_ptr<Links> links) {
  const auto servers = co_await listServers(links);
  ServerNames names;
  for (const auto& server : servers) names[server.value("id", StorageId{0})] = server.value("name", std::string());
  co_return names;
}

std::string nameOf(const ServerNames& names, StorageId id) {
  const auto found = names.find(id);
  return found == names.end() ? "storage server " + std::to_string(id) : found->second;
}

LossFate toFate(schema::LossFate fate) {
  switch (fate) {
    case schema::LossFate::KEPT:
      return LossFate::kept;
    case schema::LossFate::LOST:
      return LossFate::lost;
    default:
      return LossFate::waits;
  }
}

LossEntry toEntry(schema::LossFile::Reader file, const ServerNames& names) {
  LossEntry entry;
  entry.inode = file.getInode();
  entry.path = schema::toString(file.getPath());
  entry.size = file.getSize();
  entry.kept = file.getKept();
  entry.gaps = file.getMayHaveGaps();
  entry.state = static_cast<FileState>(std::min<int>(static_cast<int>(file.getState()), 4));
  entry.fate = toFate(file.getFate());
  if (file.getSource() != 0) entry.source = nameOf(names, file.getSource());
  for (StorageId id : file.getUnseen()) entry.unseen.push_back(nameOf(names, id));
  return entry;
}

class StorageRemove final : public ClientCommand {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = storageCommand(parent)->add_subcommand("remove", "Forget a storage server that is stopped");
    app->add_option("NAME", name_, "the server's name")->required();
    auto* force =
        app->add_flag("--force", force_,
                      "although its files have fewer copies then: its disk is gone, and the group has no other server");
    auto* accept =
        app->add_flag("--accept-loss", acceptLoss_,
                      "its disk is gone for good: files that only it had up to date go on with the best older "
                      "copy, or are lost");
    auto* dryRun = app->add_flag("--dry-run", dryRun_, "show what --accept-loss would do, and change nothing");
    auto* without = app->add_flag("--accept-unseen", acceptUnseen_,
                                  "do not wait for older copies that cannot be looked at, be they better or not");
    auto* yes = app->add_flag("--yes", yes_, "do it: there is no way back");
    app->add_option("--limit", most_, "files that are told one by one; all are counted")
        ->check(CLI::Range(1, 100'000))
        ->capture_default_str();
    dryRun->needs(accept);
    without->needs(accept);
    yes->needs(accept)->excludes(dryRun);
    accept->excludes(force);
    declareJson(*app);
    app->footer(
        "Refused while the server is up, and while a file needs the copy on it; the message says what to do. With\n"
        "--force files need it only if nobody else who is up has an up-to-date copy: no data is given up.\n"
        "A new disk may take the name afterwards; the old disk is refused under it.\n"
        "Stop the unit of its disk: the one whose /etc/vcfs/storage-DISK.conf has the server's name.\n"
        "Example, with the disk disk3 of host1:\n"
        "  vcfs storage drain host1-disk3 --wait\n"
        "  systemctl disable --now vcfs-storage@disk3\n"
        "  vcfs storage remove host1-disk3\n"
        "Its disk broke, there is a new one, and no other server in the group that could take the copies:\n"
        "  vcfs storage remove host1-disk3 --force      (a server that runs on the new disk is taken then)\n"
        "When the disk is gone for good and files wait for it (end programs that still record into them first):\n"
        "  vcfs storage remove host1-disk3 --accept-loss --dry-run\n"
        "  vcfs storage remove host1-disk3 --accept-loss --yes\n"
        "It may be interrupted and repeated. Exit code: 0 removed (with --dry-run: it could be); 1 refused, or files\n"
        "wait for older copies on other servers that are away; 2 wrong usage.");
    declareCommon(*app, "30s");
    return app;
  }

  int run() override {
    if (acceptLoss_ && !dryRun_ && !yes_) {
      throw UsageError("--accept-loss gives up data: see what with --dry-run, then do it with --yes");
    }
    return ClientCommand::run();
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    const ClusterOptions& options = cluster->options();
    auto links = std::make_shared<Links>(runtime(), options.trackers, options.stallLimit);
    LossReport report(name_, dryRun_, most_);
    bool stays = false;
    std::optional<Error> failure;
    try {
      if (acceptLoss_) {
        const ServerNames names = co_await serverNames(links);
        co_await acceptLoss(links, names, report);
        if (!json()) printLine(report.summary());
      }
      stays = report.waiting() > 0;
      if (!stays && !dryRun_) {
        co_await forget(links);
        report.noteRemoved();
      }
    } catch (const Error& error) {
      failure = error;
    }
    if (json()) printLine(report.json().dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    if (failure) throw *failure;
    if (stays) {
      complain(name_ + (report.waitingForServers() > 0
                            ? " is needed: start the servers that files wait for, or do without them: --accept-unseen"
                            : " is needed for files that have just changed, or whose server is not ready: repeat"));
      co_return kFailed;
    }
    if (!dryRun_ && !json()) printLine(name_ + ": removed");
    co_return kOk;
  }

  // A page at a time, each of them committed: whoever interrupts it begins again with the rest.
  Task<void> acceptLoss(std::shared_ptr<Links> links, const ServerNames& names, LossReport& report) {
    InodeId after = 0;
    for (bool more = true; more;) {
      auto build = [&](TrackerClient& tracker) {
        auto request = tracker.acceptLossRequest();
        request.setName(name_);
        request.setAfter(after);
        request.setLimit(kPage);
        request.setDryRun(dryRun_);
        request.setAcceptUnseen(acceptUnseen_);
        return request.send();
      };
      auto answer = co_await links->tracker(build);
      std::vector<LossEntry> page;
      for (auto file : answer.getFiles()) page.push_back(toEntry(file, names));
      co_await nameFiles(links, page);
      for (const LossEntry& entry : page) {
        const bool told = report.add(entry);
        if (told && !json()) printLine(LossReport::line(entry));
      }
      report.addElsewhere(answer.getElsewhere(), answer.getOthersAway());
      after = answer.getLast();
      more = answer.getMore();
    }
  }

  // The tracker knows the path at creation; people know the present one. What was given up has to be told in any case.
  // Each page takes a pass over all names there are.
  Task<void> nameFiles(std::shared_ptr<Links> links, std::vector<LossEntry>& page) {
    std::vector<LossEntry> named = page;
    bool found = false;
    naming_.begin(runtime().clock.now());
    try {
      if (!naming_.spent()) {
        co_await findNames(links, named);
        found = true;
      }
    } catch (const Error&) {  // what it was made as has to do
    }
    naming_.end(runtime().clock.now());
    if (found) {
      page = std::move(named);
    } else {
      for (LossEntry& entry : page) entry.path += " (its path when it was made)";
    }
  }

  Task<void> findNames(std::shared_ptr<Links> links, std::vector<LossEntry>& page) {
    if (page.empty()) co_return;
    fsck::Sources sources(links);
    std::set<InodeId> inodes;
    for (const LossEntry& entry : page) inodes.insert(entry.inode);
    std::function<bool()> late = [this] { return naming_.spent(runtime().clock.now()); };
    std::map<InodeId, fsck::Place> places = co_await fsck::placesOf(sources, std::move(inodes), std::move(late));
    std::set<InodeId> parents;
    for (const auto& [inode, place] : places) parents.insert(place.parent);
    std::map<InodeId, std::string> paths = co_await fsck::pathsOf(sources, std::move(parents));
    for (LossEntry& entry : page) {
      const auto place = places.find(entry.inode);
      if (place == places.end()) {
        entry.path += " (deleted)";
      } else {
        entry.path = paths[place->second.parent] + "/" + place->second.name;
      }
    }
  }

  Task<void> forget(std::shared_ptr<Links> links) {
    const std::uint64_t sequence = links->nextSequence();
    auto build = [&](TrackerClient& tracker) {
      auto request = tracker.removeStorageRequest();
      request.setName(name_);
      request.setForce(force_);
      auto id = request.initRequest();
      id.setClient(links->client());
      id.setSequence(sequence);
      return request.send();
    };
    for (bool more = true; more;) {
      auto answer = co_await links->tracker(build);
      more = answer.getMore();
    }
  }

  std::string name_;
  bool force_ = false;
  bool acceptLoss_ = false;
  bool dryRun_ = false;
  bool acceptUnseen_ = false;
  bool yes_ = false;
  std::uint64_t most_ = 1000;
  TimeBudget naming_{kNaming};
};

}  // namespace

std::unique_ptr<Command> storageRemove() { return std::make_unique<StorageRemove>(); }

}  // namespace vcfs::cli
