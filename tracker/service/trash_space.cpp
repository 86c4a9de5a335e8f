#include "tracker/service/trash_space.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/base/log.h"

namespace vcfs::tracker {

namespace {

constexpr std::uint32_t kPage = 500;                           // a few milliseconds of the catalog
constexpr Duration kPagePause = std::chrono::milliseconds(1);  // others get in between
constexpr Duration kWait = std::chrono::milliseconds(300);     // of who asks
constexpr Duration kRecountAfter = std::chrono::seconds(10);   // and, for a large trash,
constexpr int kRecountShare = 20;                              // so many times as long as the last one took
constexpr std::int64_t kMostSpans = 1000;                      // of the retention time that are told apart
constexpr Duration kShortestSpan = std::chrono::seconds(1);

std::int64_t spanOf(Duration retention) { return std::max(retention / kMostSpans, kShortestSpan).count(); }

}  // namespace

TrashSpace::TrashSpace(Runtime& runtime, Catalog& catalog, Duration retention)
    : runtime_(runtime),
      catalog_(catalog),
      widthNs_(spanOf(retention)),
      done_(runtime.io),
      count_(std::make_shared<Count>(widthNs_)) {}

void TrashSpace::stop() {
  stopped_ = true;
  done_.notifyAll();
}

Task<TrashSpace::Bytes> TrashSpace::get() {
  auto self = shared_from_this();
  const TimePoint deadline = runtime_.clock.now() + kWait;
  bool started = false;  // one that was under way may have read before what is asked about
  while (!stopped_ && (following_ || !started) && runtime_.clock.now() < deadline) {
    if (!following_) {
      started = following_ = true;
      runtime_.spawn("trash space", follow());
    }
    if (following_) co_await done_.waitFor(runtime_.clock, deadline - runtime_.clock.now());
  }
  if (!stopped_ && !recounting_ && runtime_.clock.now() >= nextRecount_) {
    recounting_ = true;
    runtime_.spawn("trash recount", recount());
  }
  co_return count_->ledger.outstanding(runtime_.clock.wallNs());
}

Task<void> TrashSpace::follow() {
  auto self = shared_from_this();
  try {
    co_await readOn(count_);
  } catch (const Error& error) {
    log::debug("trash.unread", {{"reason", error.what()}});
  }
  following_ = false;
  done_.notifyAll();
}

Task<void> TrashSpace::recount() {
  auto self = shared_from_this();
  const TimePoint begun = runtime_.clock.now();
  auto fresh = std::make_shared<Count>(widthNs_);
  try {
    co_await readOn(fresh);
    if (!stopped_) count_ = fresh;
  } catch (const Error& error) {
    log::debug("trash.unread", {{"reason", error.what()}});
  }
  const TimePoint now = runtime_.clock.now();
  nextRecount_ = now + std::max(kRecountAfter, (now - begun) * kRecountShare);
  recounting_ = false;
}

// To the end of the trash. What came to it since the last time stands there, but for what trackers with other clocks or
// settings deleted.
Task<void> TrashSpace::readOn(std::shared_ptr<Count> count) {
  for (bool more = true; more && !stopped_;) {
    const ops::TrashPlace after = count->last;
    const std::int64_t now = runtime_.clock.wallNs();
    auto op = [after, now](SqlTx& tx) { return ops::trashSpace(tx, after, now, kPage); };
    const ops::TrashSpacePage page = co_await catalog_.read(std::move(op));
    for (const ops::TrashedReplica& replica : page.replicas) {
      count->ledger.add(replica.dueNs, replica.storage, replica.bytes);
    }
    count->last = page.last;
    more = page.more;
    if (more) co_await runtime_.clock.sleep(kPagePause);
  }
}

}  // namespace vcfs::tracker
