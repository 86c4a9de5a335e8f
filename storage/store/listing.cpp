#include "storage/store/listing.h"

#include <algorithm>

namespace vcfs::storage {

namespace {
constexpr std::size_t kKept = 65'536;
constexpr Duration kFresh = std::chrono::seconds(60);
}  // namespace

void Listing::look(Store& store, InodeId after) {
  known_ = false;  // should it throw half-way
  ids_.clear();
  after_ = after;
  // The smallest ids behind `after`, one more than is kept: a heap with the largest on top.
  store.scan([&](InodeId inode) {
    if (inode <= after) return;
    if (ids_.size() <= kKept) {
      ids_.push_back(inode);
      std::push_heap(ids_.begin(), ids_.end());
    } else if (inode < ids_.front()) {
      std::pop_heap(ids_.begin(), ids_.end());
      ids_.back() = inode;
      std::push_heap(ids_.begin(), ids_.end());
    }
  });
  std::sort(ids_.begin(), ids_.end());
  complete_ = ids_.size() <= kKept;
  known_ = true;
}

bool Listing::covers(InodeId after, std::size_t limit, TimePoint now) const {
  if (!known_ || after <= after_ || now - looked_ > kFresh) return false;  // from the start on: a new look
  if (complete_) return true;
  const auto begin = std::upper_bound(ids_.begin(), ids_.end(), after);
  return static_cast<std::size_t>(ids_.end() - begin) > limit;
}

Listing::Page Listing::page(Store& store, InodeId after, std::size_t limit, TimePoint now) {
  if (!covers(after, limit, now)) {
    look(store, after);
    looked_ = now;
  }
  const auto begin = std::upper_bound(ids_.begin(), ids_.end(), after);
  const auto left = static_cast<std::size_t>(ids_.end() - begin);
  Page page;
  page.inodes.assign(begin, begin + static_cast<std::ptrdiff_t>(std::min(left, limit)));
  page.more = left > limit || !complete_;
  return page;
}

}  // namespace vcfs::storage
