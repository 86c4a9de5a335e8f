#include "fuse/session/notifier.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>

namespace vcfs::fuse {

namespace {
// How long what is unread holds an order up: until it was read, which is when as many were read as there could have
// been, or the loop does not get to it.
constexpr std::uint64_t kMostUnread = 64;
constexpr auto kPatience = std::chrono::milliseconds(20);
constexpr auto kLookAgain = std::chrono::microseconds(200);
constexpr std::size_t kHurry = 16;  // with more in the queue none is held up
}  // namespace

Notifier::Notifier(std::function<void(const Order&)> execute, std::size_t capacity, Requests requests)
    : execute_(std::move(execute)), requests_(std::move(requests)), capacity_(capacity) {
  // Signals belong to the loop's thread.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { work(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Notifier::~Notifier() { stop(); }

void Notifier::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
    later_.clear();
  }
  more_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::string Notifier::keyOf(const Order& order) {
  std::string key(reinterpret_cast<const char*>(&order.node), sizeof order.node);
  key += static_cast<char>(order.kind);
  return key + order.name;
}

void Notifier::push(Order order, std::chrono::nanoseconds after) {
  std::lock_guard lock(mutex_);
  if (stopping_) return;
  auto key = keyOf(order);
  if (keys_.contains(key)) return;
  if (queue_.size() + later_.size() >= capacity_) {
    ++dropped_;
    return;
  }
  keys_.insert(std::move(key));
  ++nodes_[order.node];
  if (after.count() > 0) {
    later_.emplace(std::chrono::steady_clock::now() + after, std::move(order));
  } else {
    queue_.push_back(Queued{std::move(order), std::nullopt, 0});
  }
  more_.notify_one();
}

bool Notifier::withdrawAttributes(InodeId node) {
  std::lock_guard lock(mutex_);
  const Order order{Order::Kind::attributes, node, {}};
  if (!nodes_.contains(node) || keys_.erase(keyOf(order)) == 0) return false;
  auto isIt = [node](const Order& o) { return o.node == node && o.kind == Order::Kind::attributes; };
  std::erase_if(queue_, [&](const Queued& queued) { return isIt(queued.order); });
  std::erase_if(later_, [&](const auto& one) { return isIt(one.second); });
  leave(node);
  return true;
}

void Notifier::leave(InodeId node) {
  if (auto at = nodes_.find(node); --at->second == 0) nodes_.erase(at);
}

void Notifier::hurry(InodeId node) {
  std::lock_guard lock(mutex_);
  if (!nodes_.contains(node)) return;
  for (auto at = later_.begin(); at != later_.end();) {
    auto here = at++;
    if (here->second.node != node) continue;
    queue_.push_back(Queued{std::move(here->second), std::nullopt, 0});
    later_.erase(here);
  }
  more_.notify_one();
}

bool Notifier::underWay(InodeId node) const {
  std::lock_guard lock(mutex_);
  return nodes_.contains(node);
}

std::uint64_t Notifier::dropped() const {
  std::lock_guard lock(mutex_);
  return dropped_;
}

std::size_t Notifier::queued() const {
  std::lock_guard lock(mutex_);
  return queue_.size() + later_.size();
}

void Notifier::takeDue() {
  const Moment now = std::chrono::steady_clock::now();
  while (!later_.empty() && later_.begin()->first <= now) {
    queue_.push_back(Queued{std::move(later_.begin()->second), std::nullopt, 0});
    later_.erase(later_.begin());
  }
}

bool Notifier::mustWait(Queued& next) const {
  const bool may = next.order.kind == Order::Kind::attributes && requests_.unread && queue_.size() <= kHurry;
  if (!may || !requests_.unread()) return false;
  const Moment now = std::chrono::steady_clock::now();
  if (!next.since) {
    next.since = now;
    next.read = requests_.read();
  }
  return now - *next.since < kPatience && requests_.read() - next.read < kMostUnread;
}

void Notifier::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    takeDue();
    if (queue_.empty() && later_.empty()) {
      more_.wait(lock);
    } else if (queue_.empty()) {
      more_.wait_until(lock, Moment(later_.begin()->first));
    } else if (mustWait(queue_.front())) {
      more_.wait_for(lock, kLookAgain);  // in the queue: it can be taken back
    } else {
      auto order = std::move(queue_.front().order);
      queue_.pop_front();
      keys_.erase(keyOf(order));
      lock.unlock();
      execute_(order);
      lock.lock();
      leave(order.node);
    }
  }
}

}  // namespace vcfs::fuse
