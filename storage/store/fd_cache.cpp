#include "storage/store/fd_cache.h"

#include <unistd.h>

#include <vector>

namespace vcfs::storage {

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

std::shared_ptr<Fd> FdCache::get(Slot& slot) {
  std::lock_guard lock(mutex_);
  if (slot.fd_) used_.splice(used_.begin(), used_, slot.place_);
  return slot.fd_;
}

bool FdCache::isOpen(const Slot& slot) const {
  std::lock_guard lock(mutex_);
  return slot.fd_ != nullptr;
}

void FdCache::put(Slot& slot, std::shared_ptr<Fd> fd) {
  std::vector<std::shared_ptr<Fd>> closing;  // closed outside the lock
  std::lock_guard lock(mutex_);
  if (slot.fd_) {
    closing.push_back(std::move(slot.fd_));
    used_.erase(slot.place_);
  }
  slot.fd_ = std::move(fd);
  slot.place_ = used_.insert(used_.begin(), &slot);
  while (used_.size() > limit_) {
    Slot* oldest = used_.back();
    used_.pop_back();
    closing.push_back(std::move(oldest->fd_));
  }
}

void FdCache::drop(Slot& slot) {
  std::shared_ptr<Fd> closing;
  std::lock_guard lock(mutex_);
  if (!slot.fd_) return;
  used_.erase(slot.place_);
  closing = std::move(slot.fd_);
}

std::size_t FdCache::size() const {
  std::lock_guard lock(mutex_);
  return used_.size();
}

}  // namespace vcfs::storage
