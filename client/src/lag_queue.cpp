#include "client/src/lag_queue.h"

namespace vcfs::client {

void LagQueue::add(std::weak_ptr<Sleeper> sleeper, TimePoint due) {
  Entry entry;
  entry.sleeper = std::move(sleeper);
  entry.due = due;
  entries_.push_back(std::move(entry));
  if (!timer_) arm();
}

void LagQueue::arm() {
  std::weak_ptr<LagQueue> weak = weak_from_this();
  timer_ = runtime_.clock.callAt(entries_.front().due, [weak] {
    if (auto self = weak.lock()) self->fire();
  });
}

void LagQueue::fire() {
  timer_.reset();
  const TimePoint until = runtime_.clock.now() + together_;
  while (!entries_.empty() && entries_.front().due <= until) {
    Entry entry = std::move(entries_.front());
    entries_.pop_front();
    if (auto sleeper = entry.sleeper.lock()) sleeper->lagPassed(until);
  }
  if (!entries_.empty() && !timer_) arm();
}

}  // namespace vcfs::client
