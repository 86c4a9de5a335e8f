#include "tracker/service/evacuation.h"

#include <algorithm>

#include "common/base/log.h"

namespace vcfs::tracker {

namespace {
constexpr std::uint32_t kBatch = 50;                      // files per transaction
constexpr int kBatchesPerRound = 20;                      // per server
constexpr Duration kHandOvers = std::chrono::seconds(2);  // of a round: other work waits meanwhile
constexpr int kAttempts = 2;                              // at handing over, and at committing it
constexpr Duration kRest = std::chrono::seconds(5);       // of a file whose primary could not hand over
constexpr Duration kForget = std::chrono::seconds(30);
constexpr unsigned kMostRefusals = 6;

bool unanswered(const Error& error) { return error.code() == Errc::timeout || error.code() == Errc::unavailable; }
}  // namespace

Task<void> Evacuation::noteReturns() {
  const TimePoint now = core_.runtime.clock.now();
  std::vector<StorageId> back;
  for (const auto& [id, server] : core_.map.servers()) {
    if (server.awaySince != 0 && core_.map.alive(id, now)) back.push_back(id);
  }
  for (StorageId storage : back) {
    auto op = [storage](SqlTx& tx) { return ops::setAwaySince(tx, storage, 0); };
    co_await core_.catalog.write(std::move(op));
    core_.map.setAwaySince(storage, 0);
  }
}

Task<void> Evacuation::noteAway() {
  const TimePoint now = core_.runtime.clock.now();
  if (core_.map.settling(now)) co_return;
  const std::int64_t since = core_.runtime.clock.wallNs();
  std::vector<StorageId> lost;
  for (const auto& [id, server] : core_.map.servers()) {
    const bool ahead = server.awaySince > since;  // the clock was set back, or another tracker's is ahead
    if (ahead || (server.awaySince == 0 && !core_.map.alive(id, now))) lost.push_back(id);
  }
  for (StorageId storage : lost) {
    auto op = [storage, since](SqlTx& tx) { return ops::setAwaySince(tx, storage, since); };
    co_await core_.catalog.write(std::move(op));
    core_.map.setAwaySince(storage, since);
  }
}

std::vector<ops::Evacuee> Evacuation::evacuees() const {
  const std::int64_t wall = core_.runtime.clock.wallNs();
  const std::int64_t grace = std::chrono::nanoseconds(core_.options.replaceAfter).count();
  const TimePoint now = core_.runtime.clock.now();
  std::vector<ops::Evacuee> list;
  for (const auto& [id, server] : core_.map.servers()) {
    ops::Evacuee from;
    from.storage = id;
    // One that is to be emptied and away can hand nothing over: it is given up soon. Not at once: this tracker may just
    // have started, or have stood still, and not have heard of it since.
    const bool justLost = server.lostAt && now - *server.lostAt < core_.map.options().unreachableAfter;
    const bool waited = server.draining || wall - server.awaySince >= grace;
    from.gone = server.awaySince != 0 && waited && !justLost && !core_.map.alive(id, now) && !core_.map.settling(now);
    if (!server.draining && !from.gone) continue;
    list.push_back(from);
    // What is behind on a server that is gone is replaced as every incomplete file is.
    from.behind = true;
    from.gone = false;
    if (server.draining) list.push_back(from);
  }
  // Their files have a copy less than they should: a server that is emptied can wait for the places.
  std::stable_partition(list.begin(), list.end(), [](const ops::Evacuee& from) { return from.gone; });
  return list;
}

// How many further files of the group may be copied at the same time. Copies to servers that are away are not: nobody
// makes them.
Task<std::uint64_t> Evacuation::room(std::string group) {
  const std::uint64_t most = core_.options.rebuildFiles;
  const TimePoint now = core_.runtime.clock.now();
  std::vector<StorageId> servers;
  for (const auto& [id, server] : core_.map.servers()) {
    if (server.group == group && core_.map.alive(id, now)) servers.push_back(id);
  }
  std::uint64_t busy = 0;
  for (StorageId storage : servers) {
    auto op = [storage, most](SqlTx& tx) { return ops::countSyncing(tx, storage, static_cast<std::uint32_t>(most)); };
    busy += co_await core_.catalog.read(std::move(op));
  }
  co_return busy >= most ? 0 : most - busy;
}

Task<void> Evacuation::round(ops::Fence fence) {
  co_await noteAway();
  const std::vector<ops::Evacuee> list = evacuees();
  if (list.empty()) {
    cursors_.clear();
    co_return;
  }
  const TimePoint now = core_.runtime.clock.now();
  handOverUntil_ = now + kHandOvers;
  std::erase_if(refusals_, [now](const auto& item) { return item.second.again + kForget <= now; });
  std::map<std::string, std::uint64_t> left;  // by group: their servers copy for no others
  for (const ops::Evacuee& from : list) {
    const StorageServer* server = core_.map.find(from.storage);
    if (server == nullptr) continue;  // it was removed meanwhile
    const std::string group = server->group;
    if (!left.contains(group)) {
      const std::uint64_t places = co_await room(group);
      left[group] = places;
    }
    const std::uint64_t changed = co_await moveFrom(fence, from, left[group]);
    left[group] -= std::min(left[group], changed);
  }
}

Task<std::uint64_t> Evacuation::moveFrom(ops::Fence fence, ops::Evacuee from, std::uint64_t room) {
  std::uint64_t left = room;
  for (int batch = 0; batch < kBatchesPerRound && left > 0; ++batch) {
    const InodeId before = cursors_[{from.storage, from.behind}];
    const std::uint64_t changed = co_await step(fence, from, left);
    left -= std::min(left, changed);
    // The end was reached, and the next pass begins in the next round.
    if (cursors_[{from.storage, from.behind}] <= before) break;
  }
  co_return room - left;
}

Task<std::uint64_t> Evacuation::step(ops::Fence fence, ops::Evacuee from, std::uint64_t room) {
  InodeId& cursor = cursors_[{from.storage, from.behind}];
  const InodeId after = cursor;
  const auto limit = static_cast<std::uint32_t>(std::min<std::uint64_t>(room, kBatch));
  const ops::Occasion occasion = core_.occasion(ops::Request());
  auto op = [=](SqlTx& tx) { return ops::evacuate(tx, fence, from, after, limit, occasion); };
  ops::LayoutPage page = co_await core_.catalog.write(std::move(op), Durability::stable);
  cursor = page.more ? page.last : 0;
  std::vector<Layout> changed;
  std::vector<Layout> ready;
  for (ops::LayoutChange& change : page.layouts) {
    if (change.changed) changed.push_back(std::move(change.layout));
    if (change.mayHandOver) ready.push_back(std::move(change.layout));
  }
  const std::uint64_t count = changed.size();
  if (count > 0) {
    log::info("coordinator.replicas_moved", {{"files", count}, {"from", from.storage}, {"gone", from.gone}});
    co_await announce(std::move(changed), from.storage);
  }
  for (Layout& layout : ready) {
    if (core_.runtime.clock.now() >= handOverUntil_) break;
    if (resting(layout.inode)) continue;
    const bool answered = co_await handOver(fence, from.storage, std::move(layout));
    if (!answered) handOverUntil_ = core_.runtime.clock.now();
  }
  co_return count;
}

bool Evacuation::resting(InodeId inode) const {
  const auto refused = refusals_.find(inode);
  return refused != refusals_.end() && core_.runtime.clock.now() < refused->second.again;
}

// The primary of a file that is being written is well: it ends what is under way before another one takes over, so that
// all who stay are equal and none has to be compared. The recording never has fewer copies. False: it does not answer.
Task<bool> Evacuation::handOver(ops::Fence fence, StorageId from, Layout layout) {
  core_.fillAddresses(layout);
  const InodeId inode = layout.inode;
  const Epoch epoch = layout.epoch;
  std::vector<StorageId> equal;
  std::optional<Error> refusal;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {  // a lost answer is given again
    refusal.reset();
    try {
      equal = co_await core_.storages.handOver(from, layout);
    } catch (const Error& error) {
      refusal = error;
    }
    if (!refusal || !unanswered(*refusal)) break;
  }
  const ops::Occasion occasion = core_.occasion(ops::Request());
  if (refusal) {
    log::info("coordinator.hand_over_failed", {{"inode", log::hex(inode)}, {"reason", refusal->what()}});
    if (unanswered(*refusal)) co_return false;
    if (!hopeless(inode, *refusal)) co_return true;
    std::vector<ops::FailedReplica> failed(1, ops::FailedReplica{inode, epoch, from});
    std::vector<ops::LayoutChange> changes = co_await core_.loseReplicas(std::move(failed), 0);
    co_await announceHandOver(std::move(changes.front()), from);
    co_return true;
  }
  auto op = [=](SqlTx& tx) { return ops::handOver(tx, fence, inode, epoch, equal, occasion); };
  for (int attempt = 1;; ++attempt) {
    std::optional<Error> failure;
    try {
      ops::LayoutChange change = co_await core_.catalog.write(op, Durability::stable);
      if (change.changed && change.dropped.empty()) noteRefusal(inode);
      co_await announceHandOver(std::move(change), from);
      co_return true;
    } catch (const Error& error) {
      failure = error;
    }
    log::info("coordinator.hand_over_failed", {{"inode", log::hex(inode)}, {"reason", failure->what()}});
    if (failure->code() == Errc::notPrimary || attempt == kAttempts) throw *failure;
  }
}

// What it says of its own disk, or said again and again: then as if it had died, which needs nobody's consent.
bool Evacuation::hopeless(InodeId inode, const Error& refusal) {
  if (refusal.code() == Errc::io || refusal.code() == Errc::corrupted) return true;
  if (refusal.code() == Errc::staleEpoch || refusal.code() == Errc::notPrimary) return false;
  return noteRefusal(inode) >= kMostRefusals;
}

unsigned Evacuation::noteRefusal(InodeId inode) {
  Refusal& refusal = refusals_[inode];
  refusal.again = core_.runtime.clock.now() + kRest;
  return ++refusal.count;
}

Task<void> Evacuation::announceHandOver(ops::LayoutChange change, StorageId from) {
  if (!change.changed) co_return;
  log::info("coordinator.handed_over",
            {{"inode", log::hex(change.layout.inode)}, {"from", from}, {"gone", !change.dropped.empty()}});
  std::vector<Layout> changed;
  changed.push_back(std::move(change.layout));
  co_await announce(std::move(changed), from);
}

// `from` is told too where it is out of the layout.
Task<void> Evacuation::announce(std::vector<Layout> changed, StorageId from) {
  std::vector<StorageId> left(1, from);
  co_await core_.announce(std::move(changed), 0, core_.options.callLimit, std::move(left));
}

}  // namespace vcfs::tracker
