#include "fuse/session/notifier.h"

#include <pthread.h>
#include <signal.h>

namespace vcfs::fuse {

Notifier::Notifier(std::function<void(const Order&)> execute, std::size_t capacity)
    : execute_(std::move(execute)), capacity_(capacity) {
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
  }
  more_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::string Notifier::keyOf(const Order& order) {
  std::string key(reinterpret_cast<const char*>(&order.node), sizeof order.node);
  key += static_cast<char>(order.kind);
  return key + order.name;
}

void Notifier::push(Order order) {
  std::lock_guard lock(mutex_);
  if (stopping_) return;
  auto key = keyOf(order);
  if (keys_.contains(key)) return;
  if (queue_.size() >= capacity_) {
    ++dropped_;
    return;
  }
  keys_.insert(std::move(key));
  ++nodes_[order.node];
  queue_.push_back(std::move(order));
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
  return queue_.size();
}

void Notifier::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    more_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    auto order = std::move(queue_.front());
    queue_.pop_front();
    keys_.erase(keyOf(order));
    lock.unlock();
    execute_(order);
    lock.lock();
    if (auto at = nodes_.find(order.node); --at->second == 0) nodes_.erase(at);
  }
}

}  // namespace vcfs::fuse
