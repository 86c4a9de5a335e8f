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
  auto highest = [](SqlTx& tx) { return ops::highestInode(tx); };
  top_ = co_await catalog_.read(std::move(highest));
  const bool more = co_await countPage();
  if (more) runtime_.spawn("inodes.count", countOn());
}

Task<bool> InodeCount::countPage() {
  auto op = [after = after_, top = top_](SqlTx& tx) { return ops::countInodes(tx, after, top, kPage); };
  const ops::InodesCounted page = co_await catalog_.read(std::move(op));
  count_ += page.inodes;
  after_ = page.last;
  co_return page.inodes == kPage;
}

Task<void> InodeCount::countOn() {
  auto self = shared_from_this();
  for (bool more = true; more && !stopped_;) {
    co_await runtime_.clock.sleep(kPagePause);
    if (stopped_) co_return;
    bool failed = false;
    try {
      more = co_await countPage();
    } catch (const std::exception& error) {
      log::debug("inodes.not_counted", {{"reason", error.what()}});
      failed = true;
    }
    if (failed) co_await runtime_.clock.sleep(kRepeatPause);
  }
}

}  // namespace vcfs::tracker
