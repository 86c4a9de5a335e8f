#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "common/base/ids.h"
#include "common/runtime/runtime.h"
#include "tracker/catalog/catalog.h"

namespace vcfs::tracker {

// How many inodes the catalog has, about: what was there at the start is counted in pages, behind everything else, and
// what this tracker makes and deletes is added. For statFs and status. Loop thread only; held alive by its coroutine.
class InodeCount : public std::enable_shared_from_this<InodeCount> {
 public:
  InodeCount(Runtime& runtime, Catalog& catalog) : runtime_(runtime), catalog_(catalog) {}

  // Counts one page, and goes on with the rest in the background. Throws Error.
  Task<void> start();
  void stop() { stopped_ = true; }
  std::uint64_t get() const { return count_; }
  void made() { ++count_; }
  void deleted(std::uint64_t inodes) { count_ -= std::min(count_, inodes); }

 private:
  Task<bool> countPage();  // false: it was the last one
  Task<void> countOn();

  Runtime& runtime_;
  Catalog& catalog_;
  std::uint64_t count_ = 0;
  InodeId after_ = 0;
  InodeId top_ = 0;  // of those that were there: what is made later was counted then
  bool stopped_ = false;
};

}  // namespace vcfs::tracker
