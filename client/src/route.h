#pragma once

#include <array>

#include "client/src/core.h"
#include "client/src/reply.h"

namespace vcfs::client {

// The way to one file's replicas: its layout, the connection to its primary, and what was learnt about either being
// wrong. Repairs itself for connect(): reports lost servers, asks for layouts, connects; callers that need a repair
// share one, which goes on in the background so that each of them can leave at its own deadline. Loop thread only.
class Route : public std::enable_shared_from_this<Route> {
 public:
  Route(std::shared_ptr<Core> core, InodeId inode);

  InodeId inode() const { return inode_; }
  const Layout& layout() const { return layout_; }
  Epoch epoch() const { return layout_.epoch; }
  // Takes a layout that is not older than the present one; true when the epoch is newer.
  bool adopt(const Layout& layout);

  // The link to the primary, when there is one and nothing is known to be wrong; else null.
  std::shared_ptr<StorageLink> ready();
  // The same, after whatever repairs it takes. Throws Error(unavailable) at `deadline`, Error(notFound) when the file
  // is no more.
  Task<std::shared_ptr<StorageLink>> connect(TimePoint deadline);

  // The answers to calls of epoch `epoch` showed just now that: the primary cannot be reached; the layout is not the
  // present one.
  void lost(Epoch epoch);
  // A link broke, whenever it was made: that is held against the primary only if it is the server at its other end.
  void lost(const StorageLink& link);
  bool leadsToPrimary(const StorageLink& link) const;
  void stale(Epoch epoch, const std::optional<Layout>& better);
  // What a caller is told whose deadline is over; `trouble`: what went wrong last, if that is known.
  Error unreachable(const std::string& trouble) const;

  // The layout goes with the first call of an (epoch, connection).
  bool mustSendLayout(const StorageLink& link) const;
  void confirmLayout(const StorageLink& link, Epoch epoch);
  void forgetLayout(const StorageLink& link);

 private:
  enum class Suspect { none, lost, unasked, stale };  // unasked: the primary's name could not be looked up
  struct Repair;
  Task<void> repairing(std::shared_ptr<Repair> repair);
  Task<void> repairOnce();
  Task<void> relayout();

  std::shared_ptr<Core> core_;
  const InodeId inode_;
  Layout layout_;
  Suspect suspect_ = Suspect::none;
  TimePoint lostAt_;  // when `lost` was seen last
  std::weak_ptr<StorageLink> link_;
  std::shared_ptr<Repair> repair_;  // while one is under way
  struct Confirmed {
    const StorageLink* link = nullptr;
    Epoch epoch = 0;
  };
  std::array<Confirmed, 4> confirmed_;
  std::size_t nextConfirmed_ = 0;
};

// One call that only the primary answers, repeated through failovers until `limit` has passed. `build` makes and sends
// the request on the link; it must put layouts in as mustSendLayout() says. Throws what cannot be repaired.
using PrimaryCall = std::function<kj::Promise<Reply>(StorageLink&)>;
Task<Reply> callPrimary(std::shared_ptr<Core> core, std::shared_ptr<Route> route, PrimaryCall build, Duration limit,
                        Duration answerLimit);

// Puts what every request to a storage server begins with into it.
template <class Request>
void address(Request& request, const Route& route, const StorageLink& link) {
  request.setInode(route.inode());
  request.setEpoch(route.epoch());
  if (route.mustSendLayout(link)) schema::fill(request.initLayout(), route.layout());
}

}  // namespace vcfs::client
