#pragma once

#include <map>
#include <memory>
#include <optional>

#include "common/async/signal.h"
#include "common/runtime/runtime.h"
#include "tracker/catalog/catalog.h"
#include "tracker/core/cluster_map.h"
#include "tracker/core/space_hold.h"
#include "tracker/service/trash_count.h"

namespace vcfs::tracker {

// How much room each storage server gets back from the trash, for statFs: who deletes recordings until `df` shows room
// must not have to delete more than that. Read from the catalog when somebody asks: what is new in the trash then, and
// now and again all of it (files that were pinned or closed since, or were deleted early). For some seconds rather too
// much than too little: in a gap between the trash and the room on the disk such a program would delete another round.
// Loop thread only; held alive by its coroutines.
class TrashSpace : public std::enable_shared_from_this<TrashSpace> {
 public:
  using Bytes = SpaceHold::Bytes;

  TrashSpace(Runtime& runtime, Catalog& catalog, const ClusterMap& map, Duration retention);
  // With everything this tracker deleted before the call. Where reading takes longer than 300 ms, or the catalog fails,
  // what is known so far.
  Task<Bytes> get();
  void stop();

 private:
  std::shared_ptr<TrashCount> makeCount() const;
  bool readFor(std::uint64_t wanted);
  bool recountDue() const;
  void noteCounted(TimePoint begun);
  Task<void> follow();
  Task<void> recount();
  Task<bool> read(std::shared_ptr<TrashCount> count);
  Task<void> readOn(std::shared_ptr<TrashCount> count);

  Runtime& runtime_;
  Catalog& catalog_;
  const ClusterMap& map_;
  const std::int64_t widthNs_;
  Signal done_;
  std::shared_ptr<TrashCount> count_;
  SpaceHold hold_;
  std::uint64_t begun_ = 0;           // readings, by follow() and recount(): the number of the last one
  std::optional<TimePoint> counted_;  // all of the trash, at last
  Duration took_{};                   // for that
  bool following_ = false;
  bool recounting_ = false;
  bool stopped_ = false;
};

}  // namespace vcfs::tracker
