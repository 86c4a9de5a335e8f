#pragma once

#include "common/async/signal.h"
#include "fuse/kernel_view.h"
#include "fuse/policy/atime_rule.h"
#include "fuse/tables/read_times.h"

namespace vcfs::fuse {

// atime: what was read moves it, by the rule of the mount. Shown at once, told to a tracker in batches, `atimeDelay`
// after the first read of a batch; what could not be told is told again. Loop thread only.
class Atimes : public std::enable_shared_from_this<Atimes> {
 public:
  Atimes(Runtime& runtime, std::shared_ptr<Cluster> cluster, const MountSettings& settings,
         std::shared_ptr<Known> known, std::shared_ptr<KernelView> kernel);

  // Something was read, which may move its atime. `flags`: the descriptor's.
  void noteRead(Inode& inode, int flags = 0);
  void noteReadOf(InodeId inode, int flags = 0);  // the same, of what need not be remembered here
  bool nextReadMoves(Inode& inode);
  bool eachListingMoves() const { return rules_.directories == AtimeRule::always; }
  // A read that the kernel answers from its pages is not heard of: it forgets them where that read moves an atime.
  Task<void> hearOfNextRead(InodeId inode);
  struct stat shown(const Attr& attr);  // as the kernel is told

  Task<void> settle(InodeId inode);  // before somebody sets its atime
  // Tells a tracker what was read, for at most `limit`. For the end of the mount; else it happens by itself.
  Task<void> tellNow(Duration limit);

 private:
  void tellLater();
  Task<void> tell();
  Task<void> tellWaiting();

  Runtime& runtime_;
  const std::shared_ptr<Cluster> cluster_;
  const std::shared_ptr<Known> known_;
  const std::shared_ptr<KernelView> kernel_;
  const AtimeRules rules_;
  const Duration delay_;
  ReadTimes reads_;
  Signal told_;
  bool telling_ = false;
};

}  // namespace vcfs::fuse
