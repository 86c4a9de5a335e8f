#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "common/base/ids.h"
#include "common/runtime/clock.h"

namespace vcfs::tracker {

// Sums of bytes that go on being told for a while after others took their place. No I/O.
class SpaceHold {
 public:
  using Bytes = std::map<StorageId, std::uint64_t>;

  void keep(Bytes sums, TimePoint until);
  // `sums`, but of each server at least what is kept. Forgets what is over at `now`.
  Bytes atLeast(Bytes sums, TimePoint now);

 private:
  struct Kept {
    Bytes sums;
    TimePoint until;
  };
  std::vector<Kept> kept_;
};

}  // namespace vcfs::tracker
