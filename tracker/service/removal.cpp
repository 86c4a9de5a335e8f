#include "tracker/service/removal.h"

#include <algorithm>

#include "common/base/error.h"

namespace vcfs::tracker {

namespace {

constexpr std::uint32_t kCountPage = 500;
constexpr int kCountPages = 200;                               // what a refusal counts before it says "at least"
constexpr std::uint32_t kBatch = 200;                          // files per transaction
constexpr Duration kPagePause = std::chrono::milliseconds(1);  // others get in between
constexpr Duration kCountKept = std::chrono::minutes(1);       // for the next call

}  // namespace

Removal::Removal(std::shared_ptr<TrackerCore> core, StorageServer server)
    : core_(std::move(core)), server_(std::move(server)) {}

Task<bool> Removal::empty(bool force, ops::Occasion occasion) {
  requireAway();
  if (force) {
    const bool seen = co_await requireOthers(occasion.request);
    if (!seen) co_return false;
  } else {
    co_await requireEmpty();
  }
  co_await bar();
  deadline_ = core_->runtime.clock.now() + core_->options.removalBudget;
  if (force) {
    const bool done = co_await loseInSync();
    if (!done) co_return false;
  }
  const bool emptied = co_await dropBehind(occasion);
  if (emptied) core_->removalCounts.erase(server_.id);
  co_return emptied;
}

// That this tracker was cut off from it, or has just started, does not count: the coordinator has noted that it is
// away, and any tracker that hears of it takes that back.
void Removal::requireAway() const {
  const TimePoint now = core_->runtime.clock.now();
  const std::string& name = server_.name;
  if (core_->map.alive(server_.id, now)) {
    throw Error(Errc::exists, name + " is up: stop its process first (and empty it before: `vcfs storage drain " +
                                  name + " --wait`)");
  }
  if (server_.awaySince != 0 && !core_->map.settling(now)) return;
  throw Error(Errc::unavailable, name + " was heard of within the last seconds: has its process ended?");
}

Task<void> Removal::requireEmpty() {
  ops::CensusPage total;
  InodeId after = 0;
  bool more = true;
  for (int pages = 0; more && pages < kCountPages; ++pages) more = co_await countPage(&total, &after);
  if (total.files > 0) throw refusal(total, more);
}

// All of them are looked at before the first one changes, however many they are.
Task<bool> Removal::requireOthers(ops::Request request) {
  const TimePoint begun = core_->runtime.clock.now();
  RemovalCount count = core_->removalCounts[server_.id];
  const bool same = count.request.client == request.client && count.request.sequence == request.sequence;
  if (!same || begun - count.at > kCountKept) count = RemovalCount();
  count.request = request;
  const TimePoint deadline = begun + core_->options.removalBudget;
  while (!count.whole) {
    const bool more = co_await countPage(&count.total, &count.after);
    count.whole = !more;
    if (count.total.onlyHere + count.total.othersAway > 0) {
      core_->removalCounts.erase(server_.id);
      throw refusal(count.total, more);
    }
    if (core_->runtime.clock.now() >= deadline) break;
  }
  count.at = core_->runtime.clock.now();
  core_->removalCounts[server_.id] = count;
  co_return count.whole;
}

Task<bool> Removal::countPage(ops::CensusPage* total, InodeId* after) {
  auto op = [storage = server_.id, from = *after](SqlTx& tx) { return ops::census(tx, storage, from, kCountPage); };
  const ops::CensusPage page = co_await core_->catalog.read(std::move(op));
  total->files += page.files;
  total->onlyHere += page.onlyHere;
  total->othersAway += page.othersAway;
  if (total->example.empty()) total->example = page.example;
  *after = page.last;
  if (page.more) co_await core_->runtime.clock.sleep(kPagePause);
  co_return page.more;
}

Error Removal::refusal(const ops::CensusPage& total, bool atLeast) const {
  return Error(Errc::notEmpty, (atLeast ? "at least " : "") + reason(total));
}

std::string Removal::reason(const ops::CensusPage& total) const {
  const std::string& name = server_.name;
  const std::string drain = "`vcfs storage drain " + name + " --wait`";
  const std::string acceptLoss = "`vcfs storage remove " + name + " --accept-loss --dry-run` shows what would be lost";
  std::string text = std::to_string(total.files) + " files have an up-to-date copy on " + name;
  if (total.onlyHere > 0) {
    return text + ", " + std::to_string(total.onlyHere) + " of them their only one (for example " + total.example +
           "): start the server again, then " + drain + ". If it is gone for good, " + acceptLoss;
  }
  if (total.othersAway > 0) {
    return text + ", " + std::to_string(total.othersAway) +
           " of them others only on servers that are away, too: start these first (`vcfs storage list`). If all of " +
           "them are gone for good, " + acceptLoss;
  }
  return text + " that is not replaced yet. Where the group has another server with room: " + drain +
         ", then remove it. Where it has none: `vcfs storage remove " + name +
         " --force`; all of them have another copy, and are copied again as soon as there is a server for it";
}

Task<void> Removal::bar() {
  if (server_.draining) co_return;
  auto op = [storage = server_.id](SqlTx& tx) { return ops::setDraining(tx, storage, true); };
  co_await core_->catalog.write(std::move(op), Durability::stable);
  co_await core_->loadStorages();
}

Task<bool> Removal::loseInSync() {
  const StorageId storage = server_.id;
  InodeId after = 0;
  bool all = true;
  while (true) {
    auto op = [storage, after](SqlTx& tx) { return ops::replicasHere(tx, storage, after, kBatch); };
    const ops::LayoutPage page = co_await core_->catalog.read(std::move(op));
    const bool lost = co_await losePage(page);
    all = all && lost;
    after = page.last;
    if (!page.more) break;
    if (late()) co_return false;
  }
  if (!all) throw Error(Errc::unavailable, "some files changed meanwhile, or their servers do not answer: repeat");
  co_return true;
}

// As after any failure: where several may follow, they are asked what they have. False: not all of them could be taken
// off it.
Task<bool> Removal::losePage(const ops::LayoutPage& page) {
  std::vector<ops::FailedReplica> failed;
  for (const ops::LayoutChange& here : page.layouts) {
    if (here.layout.inode != 0) failed.push_back(judge(here.layout));
  }
  if (failed.empty()) co_return true;
  std::vector<ops::LayoutChange> changes = co_await core_->loseReplicas(std::move(failed), 0);
  std::vector<Layout> changed;
  bool all = true;
  for (ops::LayoutChange& change : changes) {
    for (const Replica& replica : change.layout.replicas) {
      if (replica.storage == server_.id && replica.state == ReplicaState::inSync) all = false;
    }
    if (change.changed) changed.push_back(std::move(change.layout));
  }
  co_await core_->announce(std::move(changed), 0, core_->options.adoptWait);
  co_return all;
}

// What was counted may have changed since: nothing is given up for the sake of a server that is away too.
ops::FailedReplica Removal::judge(const Layout& layout) const {
  const TimePoint now = core_->runtime.clock.now();
  for (const Replica& replica : layout.replicas) {
    const bool other = replica.storage != server_.id && replica.state == ReplicaState::inSync;
    if (other && core_->map.alive(replica.storage, now)) {
      return ops::FailedReplica{layout.inode, layout.epoch, server_.id};
    }
  }
  throw Error(Errc::unavailable,
              "a file's other up-to-date copies have just gone away, and it stops half-way: repeat "
              "it, or keep the rest (`vcfs storage drain " +
                  server_.name + " --cancel`)");
}

Task<bool> Removal::dropBehind(ops::Occasion occasion) {
  const StorageId storage = server_.id;
  while (true) {
    auto drop = [=](SqlTx& tx) { return ops::dropBehind(tx, storage, kBatch, occasion); };
    ops::LayoutPage page = co_await core_->catalog.write(std::move(drop), Durability::stable);
    std::vector<Layout> changed;
    for (ops::LayoutChange& change : page.layouts) changed.push_back(std::move(change.layout));
    co_await core_->announce(std::move(changed), 0, core_->options.adoptWait);
    if (!page.more) co_return true;
    if (late()) co_return false;
  }
}

}  // namespace vcfs::tracker
