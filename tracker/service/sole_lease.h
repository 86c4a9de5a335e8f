#pragma once

#include <memory>
#include <string>

#include "common/runtime/runtime.h"
#include "tracker/catalog/catalog.h"
#include "tracker/ops/operations.h"
#include "tracker/service/watch_hub.h"

namespace vcfs::tracker {

// Whether this tracker may tell clients that what they remember of sealed files is good for an open(2) (Tracker.watch,
// `settles`), and the other half of that promise: nobody gets such a file open for writing before they know.
//
// With an embedded catalog there is no other tracker, and it always may. In a database that others can share it takes
// the lease of the only tracker (a row of the catalog), if it was configured without others, renews it twice a second
// and counts on it for kValid. Whichever tracker meets somebody else's lease revokes it and waits until it counts no
// more, with the trust of the clients that it had been granted to. So a second tracker, whether it was announced or
// not, makes opens slower, never wrong.
//
// Loop thread only.
class SoleLease : public std::enable_shared_from_this<SoleLease> {
 public:
  static constexpr Duration kInterval = std::chrono::milliseconds(500);
  static constexpr Duration kValid = std::chrono::milliseconds(1500);  // from before it was renewed
  static constexpr Duration kShy = std::chrono::seconds(60);           // after another tracker was met

  // `alone`: no other tracker is configured.
  SoleLease(Runtime& runtime, Catalog& catalog, WatchHub& hub, const std::string& address, bool alone);

  // Takes the lease if nobody has it, and goes on renewing it until stop(). Throws nothing: without the database there
  // is no lease.
  Task<void> start();
  void stop();

  // What watch() answers. Sessions that were told so are disconnected when the lease ends before they do.
  bool grants() const;
  void granted() { granted_ = true; }
  // A lease that ended while this process stood still ends its sessions before they are answered once more.
  void check();

  // The file that was opened for writing has been committed. Returns when nobody trusts what he remembers of it but
  // `origin`, who opened it: at once where all watchers have heard, after at most `limit` and NAME_LEASE_MS where one
  // does not answer, after 2.8 s where another tracker's lease had to be revoked. Throws Error: unavailable.
  Task<void> settle(ClientId origin, Duration limit);

 private:
  Task<void> keep();
  Task<void> step();
  Task<void> renew();
  Task<void> take(std::optional<ops::SoleRow> present);
  Task<void> revoke(ops::SoleRow other);
  void hold(TimePoint asked);

  Runtime& runtime_;
  Catalog& catalog_;
  WatchHub& hub_;
  const std::string address_;
  const std::string self_;  // address and incarnation
  const bool alone_;
  TimePoint validUntil_;
  TimePoint shyUntil_;       // no attempt to take it before
  std::int64_t endingTerm_;  // of a revoked lease that this tracker knows of, or -1
  TimePoint endingAt_;       // when nobody counts on that one any more
  bool granted_ = false;     // some session was told that it may trust
  bool stopped_ = false;
  std::unique_ptr<Clock::Timer> lapse_;
};

}  // namespace vcfs::tracker
