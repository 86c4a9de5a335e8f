#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <vector>

#include "tracker/core/failover.h"

// What becomes of a file when a server is gone for good that has a replica in sync. No I/O.
namespace vcfs::tracker {

// A replica that is not in sync, as its server has it.
struct Remains {
  std::uint64_t size = 0;                                               // 0 also where it is not on the disk
  bool gaps = false;                                                    // bytes may be missing anywhere in it
  std::uint64_t allocated = std::numeric_limits<std::uint64_t>::max();  // bytes that its disk has given it
  std::int64_t mtimeNs = 0;
};
using RemainsOn = std::map<StorageId, Remains>;  // of the servers that could be asked

struct FileBefore {
  ReplicaSet replicas;
  std::uint64_t size = 0;  // as the catalog knows it
  bool sealed = false;     // then it is exact
};

enum class Fate : std::uint8_t {
  elsewhere,  // another replica is in sync: as after any failure
  kept,       // as far as the best of the others goes
  lost,       //
  waits,      // a server that could not be asked may have more than the others
};

struct Salvage {
  Fate fate = Fate::waits;
  StorageId source = 0;             // kept: whose replica; 0: no byte was ever written, any server may have it
  std::uint64_t size = 0;           // kept
  bool gaps = false;                // kept: bytes may be missing anywhere in it
  std::vector<StorageId> unseen{};  // servers of replicas that could not be looked at
};

// The replica with most bytes is the best, of two with as many one without gaps, then one that was changed later. Of a
// sealed file none counts for more than the catalog knows: what lies behind was cut off, or never acknowledged.
// `without`: goes by those that could be asked.
Salvage judgeLoss(const FileBefore& file, StorageId gone, const RemainsOn& remains, bool without = false);

// `source` is in sync and nobody else; the others are caught up from it as soon as there is time. 0: nobody has the
// file any more, and what the others have goes into `dropped`.
ReplicaSet afterLoss(const ReplicaSet& replicas, StorageId gone, StorageId source, std::vector<StorageId>& dropped);

}  // namespace vcfs::tracker
