#pragma once

#include <string>

#include "common/base/ids.h"
#include "common/runtime/clock.h"

namespace vcfs::fuse {

// What the file system tells the kernel without being asked. Returns at once; the kernel hears it a moment later.
// Nodes are the kernel's numbers (the mount's root is 1). Loop thread.
class KernelCache {
 public:
  virtual ~KernelCache() = default;
  // `after`: not before that time from now has passed (a few milliseconds at most).
  virtual void dropAttributes(InodeId node, Duration after = Duration(0)) = 0;
  virtual void dropPages(InodeId node, Duration after = Duration(0)) = 0;  // and attributes
  // Takes back what the kernel has not heard yet of dropAttributes(). False: nothing.
  virtual bool keepAttributes(InodeId node) = 0;
  virtual void dropName(InodeId directory, const std::string& name) = 0;
  virtual void dropEverything() = 0;         // every name; open files keep their pages
  virtual bool dropsEverything() const = 0;  // false: this kernel cannot, its cache times apply
  // Somebody waits for it: what was not to be told before some time is told at once.
  virtual void forgetNow(InodeId node) = 0;
  // Whether the kernel has yet to forget attributes or pages of it that it was to drop.
  virtual bool forgetting(InodeId node) const = 0;
  virtual bool mapsDirect() const = 0;  // shared mmap works on files that are open past the page cache
};

}  // namespace vcfs::fuse
