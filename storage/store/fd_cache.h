#pragma once

#include <list>
#include <memory>
#include <mutex>

#include "common/base/ids.h"

namespace vcfs::storage {

// One open descriptor; closed with its last user.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd();
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// The bounded set of descriptors kept open, least recently used out first. Thread-safe. A Slot is owned by a
// ReplicaFile and must not outlive the cache.
class FdCache {
 public:
  explicit FdCache(std::size_t limit) : limit_(limit) {}

  class Slot {
   public:
    Slot() = default;
    Slot(const Slot&) = delete;

   private:
    friend class FdCache;
    std::shared_ptr<Fd> fd_;
    std::list<Slot*>::iterator place_;
  };

  std::shared_ptr<Fd> get(Slot& slot);  // null when it is not open; else most recently used now
  bool isOpen(const Slot& slot) const;
  void put(Slot& slot, std::shared_ptr<Fd> fd);
  void drop(Slot& slot);
  std::size_t size() const;

 private:
  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::list<Slot*> used_;  // most recent first
};

}  // namespace vcfs::storage
