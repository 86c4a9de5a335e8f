#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "tracker/core/placement.h"
#include "vcfs/types.h"

// How a file's replica set changes. Each function takes the present set and says what the next one is, or nothing when
// nothing changes; the caller stores it with a raised epoch in one compare-and-set transaction.
namespace vcfs::tracker {

using ReplicaSet = std::vector<Replica>;  // in order: the first in-sync one is the primary. Addresses are not looked at

// What a server said of its in-sync replica when it was asked whether that has every byte that was acknowledged.
enum class Standing : std::uint8_t {
  silent,     // no answer, or it does not know yet
  good,       //
  restarted,  // the process was: what the kernel had taken is there
  doubtful,   // the machine lost power, or the disk failed
};
using Standings = std::map<StorageId, Standing>;

struct FileNeeds {
  std::string group;
  std::uint32_t copies = 1;
  std::uint64_t seed = 0;
  std::vector<StorageId> barred;       // servers that are still to delete an older replica of the file
  std::vector<StorageId> leaving;      // servers that are being emptied
  std::optional<Standings> standings;  // of heirs(); nothing: they were not asked
};

const Replica* primaryOf(const ReplicaSet& replicas);
std::uint32_t countInSync(const ReplicaSet& replicas);

// Who may follow `lost` as the primary, if they are several: they are to be asked for their standings, since what the
// others have is given up for what the next primary has. Empty: nobody has to be asked.
std::vector<StorageId> heirs(const ReplicaSet& replicas, StorageId lost);

// Whether this tracker does not hear `storage` either, while it hears another one that is in sync: then somebody who
// could not ask it (a look-up of its name failed) need not be alone with that.
bool isMissed(const ReplicaSet& replicas, StorageId storage, const PlacementView& view);

// `lost` cannot be reached. It becomes stale. Was it the primary and several others are in sync, they may differ in
// bytes that were never acknowledged: one becomes primary, the others syncing. That is one whose standing is good. When
// there is none, nothing changes as long as one that is silent is alive, or nobody has answered; else one that was
// restarted, or any that answered. (Not asked: a live one if possible.) A syncing replica is added where the group has
// a server. Nothing changes when `lost` has no replica that counts, or the last one in sync. `bySelf`: the server says
// so itself (it was restarted and does not trust what it has): it is caught up rather than replaced; is it the last one
// in sync, those that are being caught up become stale.
std::optional<ReplicaSet> loseReplica(const ReplicaSet& replicas, StorageId lost, const PlacementView& view,
                                      const FileNeeds& needs, bool bySelf = false);

// `storage` has every byte: in sync from now on. Replicas that are needed no more go into `dropped`.
std::optional<ReplicaSet> catchUpReplica(const ReplicaSet& replicas, StorageId storage, const FileNeeds& needs,
                                         std::vector<StorageId>& dropped);

// `storage`, whose replica is stale, is back: it shall be caught up, or dropped when there are enough others on servers
// that stay.
std::optional<ReplicaSet> returnReplica(const ReplicaSet& replicas, StorageId storage, const FileNeeds& needs,
                                        std::vector<StorageId>& dropped);

// Fewer replicas than wanted are in sync or on their way: stale ones on live servers are made syncing, then new ones
// are added. One on a server that is being emptied is brought up to date only when there is no other place.
std::optional<ReplicaSet> completeReplicas(const ReplicaSet& replicas, const PlacementView& view,
                                           const FileNeeds& needs);

// Stale replicas that were kept in reserve and are needed no more go into `dropped`: enough others are in sync, on live
// servers that stay.
std::optional<ReplicaSet> dropReserve(const ReplicaSet& replicas, const PlacementView& view, const FileNeeds& needs,
                                      std::vector<StorageId>& dropped);

// `storage` is being emptied. While fewer live others than wanted are in sync, stale ones are made syncing and new ones
// are added beside it; then its replica goes into `dropped`. The primary of a file that is being written (not `sealed`)
// is asked first: mayHandOver().
std::optional<ReplicaSet> vacateReplica(const ReplicaSet& replicas, StorageId storage, bool sealed,
                                        const PlacementView& view, const FileNeeds& needs,
                                        std::vector<StorageId>& dropped);

// Whether enough others than the primary, on live servers that stay, are in sync.
bool mayHandOver(const ReplicaSet& replicas, const PlacementView& view, const FileNeeds& needs);

// The primary has ended what was under way; of the others those in `equal` have the same bytes, and what else is in
// sync is caught up again. Are enough of them equal, one becomes the primary and the former one goes into `dropped`;
// else it goes on.
ReplicaSet handOver(const ReplicaSet& replicas, const std::vector<StorageId>& equal, const PlacementView& view,
                    const FileNeeds& needs, std::vector<StorageId>& dropped);

// The disks know more than the catalog, which was restored: the replicas on `holders` are what the file is, the others
// become stale.
ReplicaSet adoptHolders(const ReplicaSet& replicas, const std::vector<StorageId>& holders);

// `gone` has been away for so long that its replica is given up for another one. Nothing changes where there is no
// place for that, or no live server to copy it from (one that is away, too, may come back with less): should the server
// come back, what it has is still good.
std::optional<ReplicaSet> replaceReplica(const ReplicaSet& replicas, StorageId gone, const PlacementView& view,
                                         const FileNeeds& needs);

}  // namespace vcfs::tracker
