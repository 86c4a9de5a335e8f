#pragma once

#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "fuse/policy/atime_rule.h"
#include "vcfs/types.h"

namespace vcfs::fuse {

// When this mount read what, as far as that moves an atime: shown here at once, told to a tracker in batches. What was
// told stays for a while, since an answer that is older than the telling may still be on its way to us. Bounded: what
// was told longest ago is forgotten first, and when nothing was told the newest read is not noted. Loop thread only.
class ReadTimes {
 public:
  explicit ReadTimes(std::size_t capacity) : capacity_(capacity) {}

  // `oldNs`: the atime that moves; without, the tracker decides whether it does.
  void note(InodeId inode, std::optional<std::int64_t> oldNs, std::int64_t newNs);
  bool waits(InodeId inode) const;  // noted and not told yet
  // The atime to be shown for these attributes. A time that somebody else set since is not covered up.
  std::int64_t shown(const Attr& attr);
  // The time is being set by somebody here: what was read before counts no more.
  void forget(InodeId inode);

  std::vector<ReadTime> take(std::size_t limit);  // to be told now; told() follows
  void told(const std::vector<ReadTime>& batch, bool success);
  bool nothingWaits() const { return waiting_.empty(); }
  bool beingTold(InodeId inode) const;
  bool allTold() const { return waiting_.empty() && sending_.empty(); }
  std::size_t size() const { return items_.size(); }

 private:
  enum class State { waiting, sending, told };
  struct Item {
    State state = State::waiting;
    std::optional<std::int64_t> oldNs;
    std::int64_t newNs = 0;
    // What a tracker may say as well: what it was told, and what was there before that.
    std::optional<std::int64_t> toldNs, olderNs;
    bool again = false;  // read once more while it is being told
    std::list<InodeId>::iterator place;
  };
  std::list<InodeId>& listOf(State state);
  void move(Item& item, State state);
  bool makeRoom();

  const std::size_t capacity_;
  std::unordered_map<InodeId, Item> items_;
  std::list<InodeId> waiting_, sending_, told_;  // each item is in the list of its state, the oldest first
};

}  // namespace vcfs::fuse
