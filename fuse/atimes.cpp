#include "fuse/atimes.h"

#include <fcntl.h>

#include "common/base/log.h"
#include "fuse/convert.h"

namespace vcfs::fuse {

namespace {

constexpr std::size_t kPerCall = 1000;
constexpr Duration kSettle = std::chrono::milliseconds(300);

}  // namespace

Atimes::Atimes(Runtime& runtime, std::shared_ptr<Cluster> cluster, const MountSettings& settings,
               std::shared_ptr<Known> known, std::shared_ptr<KernelView> kernel)
    : runtime_(runtime),
      cluster_(std::move(cluster)),
      known_(std::move(known)),
      kernel_(std::move(kernel)),
      rules_(atimeRules(settings.mountFlags, settings.readOnly)),
      delay_(settings.atimeDelay),
      reads_(settings.inodeCache),
      told_(runtime.io) {}

struct stat Atimes::shown(const Attr& attr) {
  auto told = toStat(attr);
  auto shown = attr;
  shown.atimeNs = reads_.shown(attr);
  if (shown.atimeNs != attr.atimeNs) told.st_atim = toStat(shown).st_atim;
  return told;
}

void Atimes::noteRead(Inode& inode, int flags) {
  Attr& attr = inode.entry.attr;
  const auto rule = attr.type == FileType::directory ? rules_.directories : rules_.files;
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
  tellLater();
}

void Atimes::noteReadOf(InodeId id, int flags) {
  if (auto inode = known_->inodes.find(id); inode && inode->entry.attr.inode != 0) return noteRead(*inode, flags);
  // A directory that was found in a listing, say. The tracker knows it.
  if (rules_.directories == AtimeRule::never || (flags & O_NOATIME) != 0 || reads_.waits(id)) return;
  reads_.note(id, std::nullopt, runtime_.clock.wallNs());
  tellLater();
}

bool Atimes::nextReadMoves(Inode& inode) {
  if (rules_.files == AtimeRule::never) return false;
  auto attr = inode.entry.attr;
  attr.atimeNs = reads_.shown(attr);
  return inode.changedHere || movesAtime(rules_.files, attr, runtime_.clock.wallNs());
}

Task<void> Atimes::hearOfNextRead(InodeId id) {
  auto inode = known_->inodes.find(id);
  if (!inode || !kernel_->attached() || (inode->cachedHandles == 0 && !inode->linkCached)) co_return;
  if (!nextReadMoves(*inode)) co_return;
  inode->linkCached = false;
  inode->pages.reset();
  kernel_->dropPages(id);
  co_await kernel_->forgotten(id);
}

void Atimes::tellLater() {
  if (!std::exchange(telling_, true)) runtime_.spawn("fuse.reads", tell());
}

Task<void> Atimes::tell() {
  auto self = shared_from_this();
  do {
    co_await runtime_.clock.sleep(delay_);
    if (!kernel_->attached()) break;  // the mount ended
    co_await tellWaiting();
  } while (!reads_.nothingWaits());
  telling_ = false;
}

Task<void> Atimes::tellWaiting() {
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
    told_.notifyAll();
  }
}

Task<void> Atimes::tellNow(Duration limit) {
  auto self = shared_from_this();
  const auto until = runtime_.clock.now() + limit;
  if (!reads_.nothingWaits()) runtime_.spawn("fuse.reads", tellWaiting());
  while (!reads_.allTold() && runtime_.clock.now() < until) {
    co_await told_.waitFor(runtime_.clock, until - runtime_.clock.now());
  }
}

// Of two times the one that is set counts, whichever comes to the tracker first.
Task<void> Atimes::settle(InodeId id) {
  auto self = shared_from_this();
  const auto until = runtime_.clock.now() + kSettle;
  while (reads_.beingTold(id) && runtime_.clock.now() < until) {
    co_await told_.waitFor(runtime_.clock, until - runtime_.clock.now());
  }
  reads_.forget(id);
}

}  // namespace vcfs::fuse
