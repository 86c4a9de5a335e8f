#include "fuse/policy/io_mode.h"

namespace vcfs::fuse {

PageVersion pageVersionOf(const Attr& attr) { return {attr.changeId, attr.size, attr.mtimeNs}; }

namespace {

bool goesDirect(const OpenRequest& r, const OpenSituation& s) {
  if (r.direct) return true;
  // Another host may move the end: the kernel would put appended bytes at the wrong place of its pages.
  if (r.append) return true;
  if (!r.write) {
    // A file that grows is not cached: the zeros behind the end in its last page would be read once the size has grown.
    return s.state == FileState::open || s.directWriters > 0;
  }
  // Somebody here reads through pages: writing past them would leave them stale.
  if (s.cachedHandles > 0) return false;
  if (!r.read) return true;
  // Read and write: programs that map the file shared need pages, unless the kernel can do both.
  return s.kernelMapsDirect || s.directWriters > 0;
}

}  // namespace

IoMode chooseIoMode(const OpenRequest& request, const OpenSituation& situation) {
  IoMode mode;
  mode.direct = goesDirect(request, situation);
  mode.keepPages = !mode.direct && situation.pagesAreCurrent;
  mode.skipFlush = !request.write;
  return mode;
}

}  // namespace vcfs::fuse
