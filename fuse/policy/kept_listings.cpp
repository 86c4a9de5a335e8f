#include "fuse/policy/kept_listings.h"

namespace vcfs::fuse {

void KeptListings::began(InodeId directory, std::int64_t ctimeNs, TimePoint until) {
  if (listings_.size() >= capacity_ && !listings_.contains(directory)) listings_.clear();
  listings_[directory] = Listing{ctimeNs, until, 0};
}

bool KeptListings::worthAsking(InodeId directory, TimePoint now) const {
  auto at = listings_.find(directory);
  return at != listings_.end() && now < at->second.until;
}

bool KeptListings::holds(InodeId directory, std::int64_t ctimeNs) const {
  auto at = listings_.find(directory);
  return at != listings_.end() && ctimeNs != 0 && at->second.ctimeNs == ctimeNs;
}

void KeptListings::askedFor(InodeId directory) {
  auto at = listings_.find(directory);
  if (at != listings_.end() && ++at->second.askedFor > kLostNames) listings_.erase(at);
}

}  // namespace vcfs::fuse
