#pragma once

#include "tracker/service/tracker_core.h"

namespace vcfs::tracker {

// Gives up a page of what a server has that is gone for good: see Tracker.acceptLoss. Replicas that stand in are
// brought into order first and the catalog is changed then, so that it may be interrupted anywhere and repeated. Made
// for one call; on the loop.
class LossPage {
 public:
  struct File {
    ops::InodeRow row;  // as it was
    Salvage salvage;
    std::int64_t mtimeNs = 0;  // of what is kept
    std::uint64_t blocks = 0;
  };

  // `without`: a file does not wait for replicas that cannot be looked at.
  LossPage(std::shared_ptr<TrackerCore> core, StorageId gone, bool without)
      : core_(std::move(core)), gone_(gone), without_(without) {}
  Task<void> look(InodeId after, std::uint32_t limit);
  Task<void> giveUp();

  const std::vector<File>& files() const { return files_; }  // that do not go on elsewhere
  std::uint64_t elsewhere() const { return elsewhere_.size(); }
  std::uint64_t othersAway() const;  // of these: only on servers that are away
  InodeId last() const { return last_; }
  bool more() const { return more_; }

 private:
  Task<void> askOne(StorageId storage, std::vector<InodeId> inodes);
  Task<void> failOver();
  Task<void> salvageAll();
  Task<void> salvageOn(StorageId storage, std::vector<std::size_t> places);
  Task<void> commit();
  Task<std::vector<ops::LayoutChange>> commitSurely(std::vector<ops::Loss> losses);

  std::shared_ptr<TrackerCore> core_;
  StorageId gone_;
  bool without_;
  std::vector<File> files_;
  std::vector<ops::InodeRow> elsewhere_;
  std::map<InodeId, RemainsOn> remains_;
  InodeId last_ = 0;
  bool more_ = false;
};

}  // namespace vcfs::tracker
