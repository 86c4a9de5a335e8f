#pragma once

#include "client/src/core.h"
#include "client/src/core/size_view.h"
#include "client/src/route.h"

namespace vcfs::client {

// Fetches bytes of one file from a replica that may be asked: the primary while the file is open, any in-sync one when
// it is sealed (this host's own first, the others spread by inode). Fails over to another without the caller noticing.
// Loop thread only.
class Reader : public std::enable_shared_from_this<Reader> {
 public:
  Reader(std::shared_ptr<Core> core, std::shared_ptr<Route> route, std::shared_ptr<SizeView> sizes);

  // At most schema::MAX_TRANSFER bytes. Fewer only at the published size. Throws as File::read, at `deadline`;
  // at once when another one has just waited for all of its time in vain.
  Task<Piece> fetch(std::uint64_t offset, std::size_t length, TimePoint deadline);
  // The same for what nobody waits for yet: no other one is told when it waits in vain.
  Task<Piece> fetchAhead(std::uint64_t offset, std::size_t length, TimePoint deadline);
  // Somebody has waited for all of his time, and was told this.
  void gaveUp(const Error& error);

 private:
  Task<std::shared_ptr<StorageLink>> choose(TimePoint deadline);
  std::vector<Replica> candidates() const;
  void avoid(const StorageLink& link);
  void refused(const Reply& reply, Epoch epoch, StorageLink& link);
  bool sealed() const;

  std::shared_ptr<Core> core_;
  std::shared_ptr<Route> route_;
  std::shared_ptr<SizeView> sizes_;
  std::set<StorageId> avoid_;  // replicas of this epoch that did not do
  Epoch avoidEpoch_ = 0;
  std::weak_ptr<StorageLink> chosen_;  // what did last time
  std::optional<Error> gaveUp_;        // what the last one was told who waited in vain, nothing fetched since
  TimePoint gaveUpAt_;
};

}  // namespace vcfs::client
