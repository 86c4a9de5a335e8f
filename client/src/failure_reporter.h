#pragma once

#include <memory>
#include <vector>

#include "client/src/tracker_session.h"

namespace vcfs::client {

// Tells trackers which storage server could not be reached for which file. When a server dies many files find out
// within a moment: their reports go out together, one call per 1000.
class FailureReporter : public std::enable_shared_from_this<FailureReporter> {
 public:
  FailureReporter(Runtime& runtime, std::shared_ptr<TrackerSession> trackers)
      : runtime_(runtime), trackers_(std::move(trackers)) {}

  // The present layout of the file after the report. Throws Error: notFound (the file is no more), unavailable (no
  // tracker within kFresh, or no answer within kLimit: try the server again meanwhile). `unasked`: nobody asked it,
  // since its name could not be looked up; it is for the tracker to know whether it is away.
  Task<Layout> report(InodeId inode, Epoch epoch, StorageId storage, bool unasked = false);

  static constexpr Duration kLimit = std::chrono::seconds(3);
  // How old what was seen of a server may be when a tracker is told. A report that waited out a tracker's absence might
  // take a server away that is well again, and leave the file to another one that failed meanwhile.
  static constexpr Duration kFresh = std::chrono::milliseconds(500);

 private:
  struct Batch;
  Task<void> send(std::shared_ptr<Batch> batch);
  Task<void> sendPart(std::shared_ptr<Batch> batch, std::size_t from);

  Runtime& runtime_;
  std::shared_ptr<TrackerSession> trackers_;
  std::shared_ptr<Batch> gathering_;
};

}  // namespace vcfs::client
