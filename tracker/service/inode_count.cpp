#include "tracker/service/inode_count.h"

#include "common/base/error.h"
#include "common/base/log.h"
#include "tracker/ops/operations.h"

namespace vcfs::tracker {

namespace {
constexpr std::uint32_t kPage = 5000;                              // a few milliseconds of the catalog
constexpr Duration kPagePause = std::chrono::milliseconds(5);      // others get in between
constexpr Duration kRepeatPause = std::chrono::milliseconds(500);  // while it is away
}  // namespace

Task<void> InodeCount::start() {
  auto self = shared_from_this();
  co_await begin();
  const bool more = co_await countPage();
  if (more || catalog_.shared()) runtime_.spawn("inodes.count", countOn(more));
}

void InodeCount::stop() {
  stopped_ = true;
  wake_.notifyAll();
}

void InodeCount::made() {
  ++count_;
  ++pass_;
}

void InodeCount::deleted(std::uint64_t inodes) {
  count_ -= std::min(count_, inodes);
  pass_ -= std::min(pass_, inodes);
}

Task<void> InodeCount::begin() {
  auto highest = [](SqlTx& tx) { return ops::highestInode(tx); };
  top_ = co_await catalog_.read(std::move(highest));
  after_ = 0;
  pass_ = 0;
}

Task<bool> InodeCount::countPage() {
  auto op = [after = after_, top = top_](SqlTx& tx) { return ops::countInodes(tx, after, top, kPage); };
  const ops::InodesCounted page = co_await catalog_.read(std::move(op));
  pass_ += page.inodes;
  after_ = page.last;
  const bool more = page.inodes == kPage;
  if (first_ || !more) count_ = pass_;
  first_ = first_ && more;
  co_return more;
}

Task<void> InodeCount::countOn(bool more) {
  auto self = shared_from_this();
  while (!stopped_ && (more || catalog_.shared())) {
    co_await wake_.waitFor(runtime_.clock, more ? kPagePause : again_);
    if (stopped_) co_return;
    bool failed = false;
    try {
      if (!more) co_await begin();
      more = co_await countPage();
    } catch (const std::exception& error) {
      log::debug("inodes.not_counted", {{"reason", error.what()}});
      failed = true;
    }
    if (failed) co_await wake_.waitFor(runtime_.clock, kRepeatPause);
  }
}

}  // namespace vcfs::tracker
