#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "common/async/signal.h"
#include "common/base/ids.h"
#include "common/runtime/runtime.h"
#include "tracker/catalog/catalog.h"

namespace vcfs::tracker {

// How many inodes the catalog has, about: what was there at the start is counted in pages, behind everything else, and
// what this tracker makes and deletes is added. What others make and delete is not heard of here: where they share the
// catalog it is counted anew every hour. For statFs and status. Loop thread only; held alive by its coroutine.
class InodeCount : public std::enable_shared_from_this<InodeCount> {
 public:
  InodeCount(Runtime& runtime, Catalog& catalog, Duration again = std::chrono::hours(1))
      : runtime_(runtime), catalog_(catalog), again_(again), wake_(runtime.io) {}

  // Counts one page, and goes on with the rest in the background. Throws Error.
  Task<void> start();
  void stop();
  std::uint64_t get() const { return count_; }
  void made();
  void deleted(std::uint64_t inodes);

 private:
  Task<void> begin();
  Task<bool> countPage();  // false: it was the last one
  Task<void> countOn(bool more);

  Runtime& runtime_;
  Catalog& catalog_;
  Duration again_;
  Signal wake_;
  std::uint64_t count_ = 0;
  std::uint64_t pass_ = 0;  // what this pass has counted, and what was made and deleted since it began
  bool first_ = true;       // that is the best known so far
  InodeId after_ = 0;
  InodeId top_ = 0;  // of those that were there: what is made later was counted then
  bool stopped_ = false;
};

}  // namespace vcfs::tracker
