#include "tracker/service/trash_space.h"

#include <algorithm>

#include "common/base/log.h"

namespace vcfs::tracker {

namespace {

constexpr std::uint32_t kPage = 500;                               // a few milliseconds of the catalog
constexpr Duration kShortestPause = std::chrono::milliseconds(1);  // others get in between
constexpr Duration kLongestPause = std::chrono::seconds(1);
constexpr Duration kWait = std::chrono::milliseconds(300);  // of who asks
constexpr Duration kRecountAfter = std::chrono::seconds(10);
constexpr Duration kRecountWhenShort = std::chrono::seconds(2);  // of room: the trash is emptied early
constexpr int kRecountShare = 10;                                // and so many times as long as the last one took
constexpr Duration kLinger = std::chrono::seconds(5);            // the coordinator, the servers, their heartbeats
constexpr Duration kShortestSpan = std::chrono::seconds(1);

std::int64_t spanOf(Duration retention) { return std::max(retention / TrashLedger::kMostSpans, kShortestSpan).count(); }

}  // namespace

TrashSpace::TrashSpace(Runtime& runtime, Catalog& catalog, const ClusterMap& map, Duration retention)
    : runtime_(runtime),
      catalog_(catalog),
      map_(map),
      widthNs_(spanOf(retention)),
      done_(runtime.io),
      count_(makeCount()) {}

std::shared_ptr<TrashCount> TrashSpace::makeCount() const {
  return std::make_shared<TrashCount>(TrashLedger(widthNs_, kLinger.count()));
}

void TrashSpace::stop() {
  stopped_ = true;
  done_.notifyAll();
}

Task<TrashSpace::Bytes> TrashSpace::get() {
  auto self = shared_from_this();
  const TimePoint deadline = runtime_.clock.now() + kWait;
  const std::uint64_t wanted = begun_ + 1;  // those that are under way may have read before what is asked about
  while (!stopped_ && runtime_.clock.now() < deadline && readFor(wanted)) {
    co_await done_.waitFor(runtime_.clock, deadline - runtime_.clock.now());
  }
  co_return hold_.atLeast(count_->outstanding(runtime_.clock.wallNs()), runtime_.clock.now());
}

// False: reading `wanted`, or a later one, has ended, and no recount is due.
bool TrashSpace::readFor(std::uint64_t wanted) {
  if (recountDue() && !recounting_) {
    recounting_ = true;
    runtime_.spawn("trash recount", recount());
  }
  if (count_->upTo < wanted && !following_) {
    following_ = true;
    runtime_.spawn("trash space", follow());
  }
  return count_->upTo < wanted || recountDue();
}

// Not before all was counted once.
bool TrashSpace::recountDue() const {
  if (!counted_) return false;
  const TimePoint now = runtime_.clock.now();
  const Duration pause = map_.shortOfRoom(now).empty() ? kRecountAfter : kRecountWhenShort;
  return now - *counted_ >= std::max(pause, took_ * kRecountShare);
}

void TrashSpace::noteCounted(TimePoint begun) {
  counted_ = runtime_.clock.now();
  took_ = *counted_ - begun;
}

// The first one counts all there is.
Task<void> TrashSpace::follow() {
  auto self = shared_from_this();
  const TimePoint begun = runtime_.clock.now();
  const bool whole = co_await read(count_);
  if (whole && !counted_) noteCounted(begun);
  following_ = false;
  done_.notifyAll();
}

Task<void> TrashSpace::recount() {
  auto self = shared_from_this();
  const TimePoint begun = runtime_.clock.now();
  const auto fresh = makeCount();
  const bool whole = co_await read(fresh);
  noteCounted(begun);
  if (whole) {
    // What was deleted early is gone from the trash, and not yet told as room.
    hold_.keep(count_->outstanding(runtime_.clock.wallNs()), *counted_ + kLinger);
    count_ = fresh;
  }
  recounting_ = false;
  done_.notifyAll();
}

// Whether it came to the end. Who waits for one that failed is told what is known.
Task<bool> TrashSpace::read(std::shared_ptr<TrashCount> count) {
  const std::uint64_t number = ++begun_;
  bool whole = false;
  try {
    co_await readOn(count);
    whole = !stopped_;
  } catch (const std::exception& error) {
    log::debug("trash.unread", {{"reason", error.what()}});
  }
  count->upTo = number;
  co_return whole;
}

// To the end of the trash. What came to it since the last time stands there, but for what trackers with other clocks or
// settings deleted.
Task<void> TrashSpace::readOn(std::shared_ptr<TrashCount> count) {
  ops::TrashPlace place = count->again();
  for (bool more = true; more && !stopped_;) {
    const TimePoint asked = runtime_.clock.now();
    const std::int64_t now = runtime_.clock.wallNs();
    auto op = [place, now](SqlTx& tx) { return ops::trashSpace(tx, place, now, kPage); };
    const ops::TrashSpacePage page = co_await catalog_.read(std::move(op));
    count->add(page, now);
    place = page.last;
    more = page.more;
    const Duration took = runtime_.clock.now() - asked;
    if (more) co_await runtime_.clock.sleep(std::clamp(took, kShortestPause, kLongestPause));
  }
}

}  // namespace vcfs::tracker
