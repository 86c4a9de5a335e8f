// atime: what was read moves it, by the rule of the mount. Shown at once, told to a tracker in batches.

#include <fcntl.h>

#include "common/base/log.h"
#include "fuse/convert.h"
#include "fuse/file_system.h"

namespace vcfs::fuse {

namespace {

constexpr std::size_t kPerCall = 1000;
constexpr Duration kSettle = std::chrono::milliseconds(300);

}  // namespace

struct stat FileSystem::toldStat(const Attr& attr) {
  auto told = toStat(attr);
  auto shown = attr;
  shown.atimeNs = reads_.shown(attr);
  if (shown.atimeNs != attr.atimeNs) told.st_atim = toStat(shown).st_atim;
  return told;
}

void FileSystem::noteRead(Inode& inode, int flags) {
  Attr& attr = inode.entry.attr;
  const auto rule = attr.type == FileType::directory ? atimeRules_.directories : atimeRules_.files;
  if (rule == AtimeRule::never || (flags & O_NOATIME) != 0) return;
  const auto now = runtime_.clock.wallNs();
  const bool changed = std::exchange(inode.changedHere, false);
  if (!changed && inode.known && !movesAtime(rule, attr, now)) return;
  attr.atimeNs = reads_.shown(attr);
  if (changed || inode.known) {
    if (!changed && !movesAtime(rule, attr, now)) return;
    if (now <= attr.atimeNs) return;
    reads_.note(inode.id, attr.atimeNs, now);
    attr.atimeNs = now;
  } else {
    if (reads_.waits(inode.id)) return;
    reads_.note(inode.id, std::nullopt, now);
  }
  if (!std::exchange(tellingReads_, true)) runtime_.spawn("fuse.reads", tellReads());
}

void FileSystem::noteReadOf(InodeId id, int flags) {
  if (auto inode = inodes_.find(id); inode && inode->entry.attr.inode != 0) return noteRead(*inode, flags);
  // A directory that was found in a listing, say. The tracker knows it.
  if (atimeRules_.directories == AtimeRule::never || (flags & O_NOATIME) != 0 || reads_.waits(id)) return;
  reads_.note(id, std::nullopt, runtime_.clock.wallNs());
  if (!std::exchange(tellingReads_, true)) runtime_.spawn("fuse.reads", tellReads());
}

bool FileSystem::nextReadMovesAtime(Inode& inode) {
  if (atimeRules_.files == AtimeRule::never) return false;
  auto attr = inode.entry.attr;
  attr.atimeNs = reads_.shown(attr);
  return inode.changedHere || movesAtime(atimeRules_.files, attr, runtime_.clock.wallNs());
}

Task<void> FileSystem::hearOfNextRead(InodeId id) {
  auto inode = inodes_.find(id);
  if (!inode || kernel_ == nullptr || (inode->cachedHandles == 0 && !inode->linkCached)) co_return;
  if (!nextReadMovesAtime(*inode)) co_return;
  inode->linkCached = false;
  inode->pages.reset();
  kernel_->dropPages(nodeOf(id));
  co_await kernelForgot(nodeOf(id));
}

Task<void> FileSystem::tellReads() {
  auto self = shared_from_this();
  do {
    co_await runtime_.clock.sleep(readsDelay_);
    if (kernel_ == nullptr) break;  // the mount ended
    co_await tellWaitingReads();
  } while (!reads_.nothingWaits());
  tellingReads_ = false;
}

Task<void> FileSystem::tellWaitingReads() {
  auto self = shared_from_this();
  bool success = true;
  while (success && !reads_.nothingWaits()) {
    auto batch = reads_.take(kPerCall);
    try {
      co_await cluster_->noteReads(batch);
    } catch (const Error& error) {
      log::debug("fuse.reads_not_told", {{"reason", error.what()}});
      success = false;
    }
    reads_.told(batch, success);
    readsTold_.notifyAll();
  }
}

Task<void> FileSystem::tellReadsNow(Duration limit) {
  const auto until = runtime_.clock.now() + limit;
  if (!reads_.nothingWaits()) runtime_.spawn("fuse.reads", tellWaitingReads());
  while (!reads_.allTold() && runtime_.clock.now() < until) {
    co_await readsTold_.waitFor(runtime_.clock, until - runtime_.clock.now());
  }
}

// Of two times the one that is set counts, whichever comes to the tracker first.
Task<void> FileSystem::settleReads(InodeId id) {
  const auto until = runtime_.clock.now() + kSettle;
  while (reads_.beingTold(id) && runtime_.clock.now() < until) {
    co_await readsTold_.waitFor(runtime_.clock, until - runtime_.clock.now());
  }
  reads_.forget(id);
}

}  // namespace vcfs::fuse
