#pragma once

#include <cstdint>

#include "vcfs/types.h"

// Whether an open file goes through the kernel's page cache. No I/O; see DESIGN.md for the reasons.
namespace vcfs::fuse {

// The kernel's cached pages of a file belong to one version of its bytes.
struct PageVersion {
  std::uint64_t changeId = 0;
  std::uint64_t size = 0;
  std::int64_t mtimeNs = 0;
  friend bool operator==(const PageVersion&, const PageVersion&) = default;
};
PageVersion pageVersionOf(const Attr& attr);

struct OpenRequest {
  bool read = false;
  bool write = false;
  bool append = false;
  bool direct = false;  // O_DIRECT
};

struct OpenSituation {
  FileState state = FileState::none;
  std::uint32_t cachedHandles = 0;  // of this inode, on this mount, that go through the page cache
  std::uint32_t directWriters = 0;  // of this inode, on this mount, that write past it
  bool kernelMapsDirect = false;    // shared mmap works on a direct handle (Linux 6.6)
  bool pagesAreCurrent = false;     // the kernel's pages are of the version that is being opened
};

struct IoMode {
  bool direct = false;
  bool keepPages = false;
  bool skipFlush = false;  // close() need not be told to us for the bytes: nothing was written
  friend bool operator==(const IoMode&, const IoMode&) = default;
};

IoMode chooseIoMode(const OpenRequest& request, const OpenSituation& situation);

}  // namespace vcfs::fuse
