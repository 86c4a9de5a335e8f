#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/runtime/clock.h"
#include "vcfs/types.h"

namespace vcfs::httpd {

// Remembers for a very short time what paths resolved to, so that a player's many small requests do not ask a tracker
// each. Only sealed regular files are kept; changes pushed by the trackers take effect at once. A symbolic link on the
// way that is changed by somebody else may be seen `maxAge` late. Loop thread only.
class EntryCache {
 public:
  EntryCache(Clock& clock, Duration maxAge, std::size_t maxEntries)
      : clock_(clock), maxAge_(maxAge), maxEntries_(maxEntries) {}

  // Null: not known (any more). The pointer is good until the next call.
  const Entry* find(const std::string& key);

  // Taken before the tracker is asked, given to put(): an answer that a change overtook is not kept.
  std::uint64_t sequence() const { return sequence_; }
  // `components`: the names on the path, none for a lookup by id.
  void put(const std::string& key, const std::vector<std::string>& components, const Entry& entry,
           std::uint64_t askedAt);

  void changed(const Change& change);
  // What was told of the inode since sequence() was `sequence`.
  enum class Heard {
    nothing,    // so it is what it was
    lostTrack,  // changes may have been missed: of this inode as of any other
    named,      // a change that concerns it (or, rarely, another one under the same hash)
  };
  Heard heardSince(InodeId inode, std::uint64_t sequence) const;
  std::size_t size() const { return entries_.size(); }

 private:
  // A change is noted under the hash of what it concerns: finding out whether one of a path's parts has changed costs
  // a few array look-ups, and a collision only costs a needless question.
  static constexpr std::size_t kSlots = 4096;
  struct Item {
    Entry entry;
    TimePoint expires;
    std::uint64_t askedAt = 0;
    std::vector<std::uint16_t> slots;
  };
  static std::uint16_t slotOf(const std::string& name);
  static std::uint16_t slotOf(InodeId inode);
  bool stale(const Item& item) const;
  void makeRoom();

  Clock& clock_;
  Duration maxAge_;
  std::size_t maxEntries_;
  std::uint64_t sequence_ = 1;
  std::uint64_t everythingChanged_ = 0;
  std::array<std::uint64_t, kSlots> changed_{};
  std::unordered_map<std::string, Item> entries_;
};

}  // namespace vcfs::httpd
