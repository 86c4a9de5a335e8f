#pragma once

#include <string>

#include "common/base/ids.h"

namespace vcfs::fuse {

// What the file system tells the kernel without being asked. Returns at once; the kernel hears it a moment later.
// Nodes are the kernel's numbers (the mount's root is 1). Loop thread.
class KernelCache {
 public:
  virtual ~KernelCache() = default;
  virtual void dropAttributes(InodeId node) = 0;
  virtual void dropPages(InodeId node) = 0;  // and attributes
  virtual void dropName(InodeId directory, const std::string& name) = 0;
  virtual void dropEverything() = 0;  // every name; open files keep their pages
  // Whether the kernel has yet to forget attributes or pages of it that it was to drop.
  virtual bool forgetting(InodeId node) const = 0;
  virtual bool mapsDirect() const = 0;  // shared mmap works on files that are open past the page cache
};

}  // namespace vcfs::fuse
