#pragma once

#include <vector>

#include "common/runtime/clock.h"
#include "storage/store/store.h"

namespace vcfs::storage {

// Pages of the ids on a disk in ascending order. The disk has them in no order, so a page costs a look at all
// directories; therefore each look keeps the next 65 536 ids for the pages that follow. A replica made after that look
// may be missing from these for a minute; one that was removed is left out. Not thread-safe.
class Listing {
 public:
  struct Page {
    std::vector<InodeId> inodes;
    bool more = false;
  };
  Page page(Store& store, InodeId after, std::size_t limit, TimePoint now);

 private:
  void look(Store& store, InodeId after);
  bool covers(InodeId after, std::size_t limit, TimePoint now) const;

  std::vector<InodeId> ids_;  // ascending: the smallest behind after_
  InodeId after_ = 0;
  bool complete_ = false;  // there are no larger ones
  bool known_ = false;
  TimePoint looked_;
};

}  // namespace vcfs::storage
