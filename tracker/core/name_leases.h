#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "vcfs/types.h"

namespace vcfs::tracker {

// Which sessions may deny names of which directories by themselves (Tracker.leaseNames). A table without I/O: the
// service asks it before it lets a session make a name, and recalls what it says. Only new names matter: a client that
// believes in a name that is gone asks.
class NameLeases {
 public:
  using SessionId = std::uint64_t;
  struct Limits {
    std::size_t perSession = 1000;
    std::size_t total = 100'000;
  };

  explicit NameLeases(Limits limits) : limits_(limits) {}

  // False: somebody else is making a name there or being recalled, or there are too many.
  bool grant(InodeId directory, SessionId session);
  // The session's oldest lease, where it was refused another one because there are too many. Clients forget directories
  // without a word, so most of what they have is of no use to them.
  struct Grant {
    InodeId directory = 0;
    std::uint64_t number = 0;
  };
  std::optional<Grant> toGiveBack(InodeId wanted, SessionId session) const;
  // The session has said that it denies no names by that grant. Nothing changes if it was granted anew since.
  void givenBack(SessionId session, Grant grant);
  // `session` begins and has ended making a name. In between nobody else gets a lease on the directory.
  void begin(InodeId directory, SessionId session);
  void end(InodeId directory, SessionId session);
  // The others that must be asked before: they have no lease any more.
  std::vector<SessionId> recall(InodeId directory, SessionId maker);
  void drop(SessionId session);  // its connection is gone
  std::size_t size() const { return total_; }

 private:
  bool othersMake(InodeId directory, SessionId session) const;
  bool full(SessionId session) const;
  void erase(InodeId directory, SessionId session);  // of holders_

  Limits limits_;
  std::map<InodeId, std::set<SessionId>> holders_;
  std::map<SessionId, std::map<InodeId, std::uint64_t>> held_;  // numbers of grants
  std::uint64_t grants_ = 0;
  std::map<InodeId, std::multiset<SessionId>> makers_;
  std::size_t total_ = 0;
};

}  // namespace vcfs::tracker
