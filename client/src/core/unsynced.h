#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

namespace vcfs::client {

// Whether the servers have acknowledged bytes of this client that no sync has covered, and whether they may have lost
// them: see FileInfo.powerLoss in schema/storage.capnp. No I/O.
class Unsynced {
 public:
  // What the primary calls the last loss of power. True when bytes that were acknowledged before may be gone with it.
  // That is said once: whoever syncs next is told, and begins anew.
  bool lostWith(std::uint64_t powerLoss) {
    // An answer may overtake one that says what is known already.
    if (powerLoss == 0 || !known_.insert(powerLoss).second) return false;
    return std::exchange(any_, false);
  }
  // A change with this number in the client's order was acknowledged (which need not happen in that order) …
  void acknowledged(std::uint64_t sequence) {
    if (sequence <= synced_) return;
    last_ = std::max(last_, sequence);
    any_ = true;
  }
  // … and everything up to this one is on stable storage.
  void synced(std::uint64_t sequence) {
    synced_ = std::max(synced_, sequence);
    if (synced_ >= last_) any_ = false;
  }
  bool any() const { return any_; }

 private:
  std::uint64_t synced_ = 0;
  std::uint64_t last_ = 0;  // of what was acknowledged
  bool any_ = false;
  std::set<std::uint64_t> known_;  // as many as there were losses while the file was open
};

}  // namespace vcfs::client
