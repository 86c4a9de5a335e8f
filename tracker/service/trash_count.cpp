#include "tracker/service/trash_count.h"

#include <algorithm>

namespace vcfs::tracker {

namespace {
// A deletion takes its time before its transaction, and may have to repeat that. In the meantime what was still open,
// or was pinned, may have been closed.
constexpr std::int64_t kAgainNs = 5'000'000'000;
}  // namespace

ops::TrashPlace TrashCount::again() const { return ops::TrashPlace{last_.first - kAgainNs, 0}; }

void TrashCount::add(const ops::TrashSpacePage& page, std::int64_t nowNs) {
  std::set<Key> counted;  // apart: the replicas of one file come in one page
  for (const ops::TrashedReplica& replica : page.replicas) {
    const Key key{replica.dueNs, replica.inode};
    if (recent_.contains(key)) continue;
    ledger_.add(replica.dueNs, replica.storage, replica.bytes, nowNs);
    counted.insert(key);
  }
  recent_.merge(counted);
  last_ = std::max(last_, Key{page.last.due, page.last.inode});
  recent_.erase(recent_.begin(), recent_.lower_bound(Key{last_.first - kAgainNs, 0}));
}

}  // namespace vcfs::tracker
