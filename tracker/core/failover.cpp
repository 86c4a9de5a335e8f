#include "tracker/core/failover.h"

namespace vcfs::tracker {

namespace {

bool isInSync(ReplicaState state) { return state == ReplicaState::inSync; }
bool isUseful(ReplicaState state) { return state != ReplicaState::stale; }

std::uint32_t countUseful(const ReplicaSet& replicas) {
  return static_cast<std::uint32_t>(
      std::count_if(replicas.begin(), replicas.end(), [](const Replica& r) { return isUseful(r.state); }));
}

bool alive(const PlacementView& view, StorageId id) {
  const Server* server = view.find(id);
  return server != nullptr && server->alive;
}

bool hasRoom(const PlacementView& view, StorageId id) {
  const Server* server = view.find(id);
  return server != nullptr && view.hasRoom(*server);
}

bool leaves(const FileNeeds& needs, StorageId id) {
  return std::find(needs.leaving.begin(), needs.leaving.end(), id) != needs.leaving.end();
}

// On servers that are not being emptied: what lies on the others is to go.
template <class Which>
std::uint32_t countStaying(const ReplicaSet& replicas, const FileNeeds& needs, Which which) {
  return static_cast<std::uint32_t>(std::count_if(replicas.begin(), replicas.end(), [&](const Replica& replica) {
    return which(replica.state) && !leaves(needs, replica.storage);
  }));
}

ReplicaSet::iterator find(ReplicaSet& replicas, StorageId storage) {
  return std::find_if(replicas.begin(), replicas.end(), [&](const Replica& r) { return r.storage == storage; });
}

// In this state, on live servers that stay, `storage` not counted.
std::uint32_t countElsewhere(const ReplicaSet& replicas, ReplicaState state, StorageId storage,
                             const PlacementView& view, const FileNeeds& needs) {
  return static_cast<std::uint32_t>(std::count_if(replicas.begin(), replicas.end(), [&](const Replica& replica) {
    return replica.state == state && replica.storage != storage && !leaves(needs, replica.storage) &&
           alive(view, replica.storage);
  }));
}

// Adds syncing replicas on servers that have none yet; `useful` of those that are there count.
bool addReplicas(ReplicaSet& replicas, const PlacementView& view, const FileNeeds& needs, std::uint32_t useful) {
  if (useful >= needs.copies) return false;
  PlacementRequest request;
  request.group = needs.group;
  request.copies = needs.copies - useful;
  request.seed = needs.seed;
  request.exclude = needs.barred;
  for (const Replica& replica : replicas) {
    request.exclude.push_back(replica.storage);
    if (replica.state != ReplicaState::stale) request.beside.push_back(replica.storage);
  }
  const std::vector<StorageId> added = place(view, request);
  for (StorageId id : added) replicas.push_back(Replica{id, ReplicaState::syncing, {}});
  return !added.empty();
}

bool checking(const PlacementView& view, StorageId id) {
  const Server* server = view.find(id);
  return server != nullptr && server->checking;
}

// The best one in sync: on a live server that stays, on a live one, on one that is being checked, any.
ReplicaSet::iterator bestInSync(ReplicaSet& replicas, const PlacementView& view, const FileNeeds& needs) {
  auto rank = [&](const Replica& r) {
    if (r.state != ReplicaState::inSync) return 0;
    if (!alive(view, r.storage)) return 1;
    if (checking(view, r.storage)) return 2;
    return leaves(needs, r.storage) ? 3 : 4;
  };
  return std::max_element(replicas.begin(), replicas.end(),
                          [&](const Replica& a, const Replica& b) { return rank(a) < rank(b); });
}

void putFirst(ReplicaSet& replicas, ReplicaSet::iterator next) { std::rotate(replicas.begin(), next, next + 1); }

Standing standingOf(const Replica& replica, const FileNeeds& needs) {
  const auto said = needs.standings->find(replica.storage);
  return said == needs.standings->end() ? Standing::silent : said->second;
}

// Of several in sync, by what they said; end: they are to be asked again.
ReplicaSet::iterator bestByStanding(ReplicaSet& replicas, const PlacementView& view, const FileNeeds& needs) {
  auto rank = [&](const Replica& r) {
    if (!isInSync(r.state)) return 0;
    switch (standingOf(r, needs)) {
      case Standing::good:
        return leaves(needs, r.storage) ? 4 : 5;
      case Standing::restarted:
        return 3;
      case Standing::doubtful:
        return 2;
      default:
        return 1;
    }
  };
  const auto best = std::max_element(replicas.begin(), replicas.end(),
                                     [&](const Replica& a, const Replica& b) { return rank(a) < rank(b); });
  if (standingOf(*best, needs) == Standing::good) return best;
  const bool mayAnswer = std::any_of(replicas.begin(), replicas.end(), [&](const Replica& r) {
    return isInSync(r.state) && standingOf(r, needs) == Standing::silent && alive(view, r.storage);
  });
  return mayAnswer || standingOf(*best, needs) == Standing::silent ? replicas.end() : best;
}

// False: it is not known yet who.
bool promote(ReplicaSet& replicas, const PlacementView& view, const FileNeeds& needs) {
  const bool asked = needs.standings && countInSync(replicas) > 1;
  const auto next = asked ? bestByStanding(replicas, view, needs) : bestInSync(replicas, view, needs);
  if (next == replicas.end()) return false;
  const StorageId primary = next->storage;
  putFirst(replicas, next);
  for (Replica& replica : replicas) {
    if (replica.state == ReplicaState::inSync && replica.storage != primary) replica.state = ReplicaState::syncing;
  }
  return true;
}

// Those that are being caught up, of which `which` says so, become stale. False when there are none.
template <class Which>
bool giveUpSyncing(ReplicaSet& replicas, Which which) {
  bool changed = false;
  for (Replica& replica : replicas) {
    if (replica.state != ReplicaState::syncing || !which(replica)) continue;
    replica.state = ReplicaState::stale;
    changed = true;
  }
  return changed;
}

// Stale replicas of which `which` says so are to be caught up until `missing` are on their way: they lack the least.
// False when there are none.
template <class Which>
bool reviveStale(ReplicaSet& replicas, std::uint32_t missing, Which which) {
  bool changed = false;
  for (Replica& replica : replicas) {
    if (missing == 0) break;
    if (replica.state != ReplicaState::stale || !which(replica.storage)) continue;
    replica.state = ReplicaState::syncing;
    --missing;
    changed = true;
  }
  return changed;
}

void dropSurplus(ReplicaSet& replicas, const FileNeeds& needs, std::vector<StorageId>& dropped) {
  if (countStaying(replicas, needs, isInSync) < needs.copies) return;
  std::erase_if(replicas, [&](const Replica& replica) {
    if (replica.state == ReplicaState::inSync) return false;
    dropped.push_back(replica.storage);
    return true;
  });
}

}  // namespace

const Replica* primaryOf(const ReplicaSet& replicas) {
  for (const Replica& replica : replicas) {
    if (replica.state == ReplicaState::inSync) return &replica;
  }
  return nullptr;
}

std::uint32_t countInSync(const ReplicaSet& replicas) {
  return static_cast<std::uint32_t>(std::count_if(replicas.begin(), replicas.end(),
                                                  [](const Replica& r) { return r.state == ReplicaState::inSync; }));
}

std::vector<StorageId> heirs(const ReplicaSet& replicas, StorageId lost) {
  const Replica* primary = primaryOf(replicas);
  std::vector<StorageId> found;
  if (primary == nullptr || primary->storage != lost) return found;
  for (const Replica& replica : replicas) {
    if (isInSync(replica.state) && replica.storage != lost) found.push_back(replica.storage);
  }
  if (found.size() < 2) found.clear();
  return found;
}

bool isMissed(const ReplicaSet& replicas, StorageId storage, const PlacementView& view) {
  const Server* server = view.find(storage);
  if (server != nullptr && (server->alive || view.settling.contains(server->group))) return false;
  return std::any_of(replicas.begin(), replicas.end(), [&](const Replica& r) {
    return r.storage != storage && isInSync(r.state) && alive(view, r.storage);
  });
}

std::optional<ReplicaSet> loseReplica(const ReplicaSet& replicas, StorageId lost, const PlacementView& view,
                                      const FileNeeds& needs, bool bySelf) {
  ReplicaSet next = replicas;
  const auto gone = find(next, lost);
  if (gone == next.end() || gone->state == ReplicaState::stale) return std::nullopt;
  const bool wasInSync = gone->state == ReplicaState::inSync;
  if (wasInSync && countInSync(next) == 1) {
    // It has forgotten whom it waited for. One that is being caught up may have said to a tracker that it has
    // everything, and lacks what is written from now on: it begins anew.
    if (!bySelf || !giveUpSyncing(next, [](const Replica&) { return true; })) return std::nullopt;
    return next;
  }
  const bool wasPrimary = wasInSync && primaryOf(next)->storage == lost;
  gone->state = bySelf && wasInSync ? ReplicaState::syncing : ReplicaState::stale;
  if (wasPrimary && !promote(next, view, needs)) return std::nullopt;
  // What lies on a server that is being emptied does not count: a copy for it that was lost again and again would come
  // back to the same disk.
  addReplicas(next, view, needs, countStaying(next, needs, isUseful));
  return next;
}

std::optional<ReplicaSet> catchUpReplica(const ReplicaSet& replicas, StorageId storage, const FileNeeds& needs,
                                         std::vector<StorageId>& dropped) {
  ReplicaSet next = replicas;
  const auto ready = find(next, storage);
  if (ready == next.end() || ready->state != ReplicaState::syncing) return std::nullopt;
  ready->state = ReplicaState::inSync;
  const bool anyLeaves =
      std::any_of(next.begin(), next.end(), [&](const Replica& r) { return leaves(needs, r.storage); });
  if (countInSync(next) > needs.copies && !anyLeaves) {
    // It was made for a server that leaves no more.
    next.erase(ready);
    dropped.push_back(storage);
  }
  dropSurplus(next, needs, dropped);
  return next;
}

std::optional<ReplicaSet> returnReplica(const ReplicaSet& replicas, StorageId storage, const FileNeeds& needs,
                                        std::vector<StorageId>& dropped) {
  ReplicaSet next = replicas;
  const auto back = find(next, storage);
  if (back == next.end() || back->state != ReplicaState::stale) return std::nullopt;
  if (countInSync(next) == 0) return std::nullopt;
  if (countUseful(next) < needs.copies) {
    // On a server that is being emptied it is the last resort, which completeReplicas() knows about.
    if (leaves(needs, storage)) return std::nullopt;
    back->state = ReplicaState::syncing;
    return next;
  }
  // Only a full set of others makes this one superfluous; while one of them is still syncing it is kept in reserve.
  if (countStaying(next, needs, isInSync) < needs.copies) return std::nullopt;
  next.erase(back);
  dropped.push_back(storage);
  return next;
}

std::optional<ReplicaSet> completeReplicas(const ReplicaSet& replicas, const PlacementView& view,
                                           const FileNeeds& needs) {
  if (countInSync(replicas) == 0) return std::nullopt;
  ReplicaSet next = replicas;
  // A syncing replica on a server that is away helps nobody: it gives up its place.
  bool changed = giveUpSyncing(next, [&](const Replica& replica) { return !alive(view, replica.storage); });
  auto revive = [&](bool leaving) {
    const std::uint32_t missing = needs.copies - std::min(needs.copies, countUseful(next));
    const bool revived =
        reviveStale(next, missing, [&](StorageId id) { return alive(view, id) && leaves(needs, id) == leaving; });
    changed = revived || changed;
  };
  revive(false);
  changed = addReplicas(next, view, needs, countUseful(next)) || changed;
  revive(true);
  if (!changed) return std::nullopt;
  return next;
}

std::optional<ReplicaSet> dropReserve(const ReplicaSet& replicas, const PlacementView& view, const FileNeeds& needs,
                                      std::vector<StorageId>& dropped) {
  // 0: none is left out.
  if (countElsewhere(replicas, ReplicaState::inSync, 0, view, needs) < std::max(needs.copies, 1u)) return std::nullopt;
  ReplicaSet next = replicas;
  std::erase_if(next, [&](const Replica& replica) {
    if (isUseful(replica.state)) return false;
    dropped.push_back(replica.storage);
    return true;
  });
  if (next.size() == replicas.size()) return std::nullopt;
  return next;
}

std::optional<ReplicaSet> vacateReplica(const ReplicaSet& replicas, StorageId storage, bool sealed,
                                        const PlacementView& view, const FileNeeds& needs,
                                        std::vector<StorageId>& dropped) {
  ReplicaSet next = replicas;
  const auto here = find(next, storage);
  if (here == next.end()) return std::nullopt;
  const std::uint32_t ready = countElsewhere(next, ReplicaState::inSync, storage, view, needs);
  if (ready < needs.copies) {
    auto useful = [&] { return ready + countElsewhere(next, ReplicaState::syncing, storage, view, needs); };
    const std::uint32_t missing = needs.copies - std::min(needs.copies, useful());
    // One that became stale because its disk was full would do so again.
    const bool revived = reviveStale(next, missing, [&](StorageId id) { return hasRoom(view, id); });
    const bool added = addReplicas(next, view, needs, useful());
    if (!revived && !added) return std::nullopt;
    return next;
  }
  const bool wasPrimary = primaryOf(next)->storage == storage;
  if (wasPrimary && !sealed) return std::nullopt;
  next.erase(here);
  dropped.push_back(storage);
  if (wasPrimary) putFirst(next, bestInSync(next, view, needs));
  return next;
}

bool mayHandOver(const ReplicaSet& replicas, const PlacementView& view, const FileNeeds& needs) {
  const Replica* primary = primaryOf(replicas);
  return primary != nullptr &&
         countElsewhere(replicas, ReplicaState::inSync, primary->storage, view, needs) >= needs.copies;
}

ReplicaSet handOver(const ReplicaSet& replicas, const std::vector<StorageId>& equal, const PlacementView& view,
                    const FileNeeds& needs, std::vector<StorageId>& dropped) {
  ReplicaSet next = replicas;
  const StorageId former = primaryOf(next)->storage;
  for (Replica& replica : next) {
    const bool lags =
        replica.storage != former && std::find(equal.begin(), equal.end(), replica.storage) == equal.end();
    if (lags && replica.state == ReplicaState::inSync) replica.state = ReplicaState::syncing;
  }
  if (!mayHandOver(next, view, needs)) return next;
  next.erase(find(next, former));
  dropped.push_back(former);
  putFirst(next, bestInSync(next, view, needs));
  dropSurplus(next, needs, dropped);
  return next;
}

ReplicaSet adoptHolders(const ReplicaSet& replicas, const std::vector<StorageId>& holders) {
  ReplicaSet next;
  for (StorageId holder : holders) next.push_back(Replica{holder, ReplicaState::inSync, {}});
  for (const Replica& replica : replicas) {
    const bool holds = std::find(holders.begin(), holders.end(), replica.storage) != holders.end();
    if (!holds) next.push_back(Replica{replica.storage, ReplicaState::stale, {}});
  }
  return next;
}

std::optional<ReplicaSet> replaceReplica(const ReplicaSet& replicas, StorageId gone, const PlacementView& view,
                                         const FileNeeds& needs) {
  const bool others = std::any_of(replicas.begin(), replicas.end(), [&](const Replica& replica) {
    return isInSync(replica.state) && replica.storage != gone && alive(view, replica.storage);
  });
  if (!others) return std::nullopt;
  auto next = loseReplica(replicas, gone, view, needs);
  if (!next || countUseful(*next) < std::min<std::uint32_t>(needs.copies, countUseful(replicas))) return std::nullopt;
  return next;
}

}  // namespace vcfs::tracker
