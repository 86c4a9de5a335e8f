#pragma once

#include <map>
#include <memory>

#include "common/async/signal.h"
#include "tracker/core/name_leases.h"
#include "tracker/service/watch_hub.h"

namespace vcfs::tracker {

// Sees to it that no session denies a name that another one has made: before a name is made, the others' leases on the
// directory are recalled. Loop thread only. A session that does not answer loses its connection and is waited for
// until its lease has certainly run out, so a name is never held up for much longer than NAME_LEASE_MS.
class NameRecall {
 public:
  NameRecall(Runtime& runtime, WatchHub& hub);

  // While it exists, its session is making a name in the directory.
  class Making {
   public:
    Making(NameRecall& recall, InodeId directory, std::uint64_t session);
    ~Making();
    Making(const Making&) = delete;

   private:
    NameRecall& recall_;
    const InodeId directory_;
    const std::uint64_t session_;
  };

  // After Making: returns when nobody else denies names of the directory.
  Task<void> clear(InodeId directory, std::uint64_t session);
  // Who has too many leases gives its oldest one back first.
  Task<bool> grant(InodeId directory, std::uint64_t session);
  void drop(std::uint64_t session) { leases_.drop(session); }

 private:
  struct Round;
  Task<void> ask(std::uint64_t holder, InodeId directory, std::shared_ptr<Round> round);
  Task<void> recall(std::uint64_t holder, InodeId directory, Duration limit);

  Runtime& runtime_;
  WatchHub& hub_;
  NameLeases leases_;
  std::map<InodeId, std::shared_ptr<Round>> rounds_;  // under way: later makers wait for them too
};

}  // namespace vcfs::tracker
