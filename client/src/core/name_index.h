#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>

#include "common/runtime/clock.h"
#include "vcfs/types.h"

namespace vcfs::client {

// The names of directories in which this client makes names, while a tracker's lease (Tracker.leaseNames) lets it say
// by itself that a name is not there: every file that is made is looked for first. Without I/O: the caller asks the
// tracker when making() says so, and reports what came of it.
//
// A name that is wrongly believed to be there costs a question; one that is wrongly denied would be an error. So names
// are put in before they are made, and taken out only when nothing is being made.
class NameIndex {
 public:
  struct Limits {
    std::size_t directories = 16;
    std::size_t names = 10'000;                // of one directory
    unsigned worthAfter = 3;                   // names made within a second
    Duration again = std::chrono::seconds(2);  // after a refusal or a recall, and when there are too many names
  };

  explicit NameIndex(Limits limits) : limits_(limits) {}

  // This client is about to make a name in the directory. Not 0: a lease on the directory would pay, ask for it; the
  // number is that of the attempt, whose end is granted() or refused().
  std::uint64_t making(InodeId directory, const std::string& name, TimePoint now);
  void made(InodeId directory, const std::string& name);  // whatever came of it
  void removed(InodeId directory, const std::string& name);

  // False: it was recalled meanwhile. Else the listing begins: the names that are there, and listed() at their end.
  bool granted(InodeId directory, std::uint64_t attempt);
  // False: stop listing, there are too many or it was recalled.
  bool found(InodeId directory, std::uint64_t attempt, const std::string& name);
  void listed(InodeId directory, std::uint64_t attempt);
  void refused(InodeId directory, std::uint64_t attempt, TimePoint now);

  void recalled(InodeId directory, TimePoint now);
  void lost();  // the session, and every lease with it

  // Certainly not there, provided that the lease counts at this moment.
  bool denies(InodeId directory, const std::string& name) const;

 private:
  enum class State : std::uint8_t { counting, asking, listing, complete };
  struct Directory {
    State state = State::counting;
    std::uint64_t attempt = 0;
    bool given = true;  // asking: not recalled before the answer came
    unsigned makes = 0;
    TimePoint since;
    TimePoint notBefore;
    std::size_t making = 0;
    std::uint64_t used = 0;
    std::unordered_set<std::string> names;
  };
  Directory* find(InodeId directory);
  Directory& remember(InodeId directory);
  void giveUp(Directory& directory);
  void takeBack(Directory& directory);  // its lease, or the one that is asked for

  Limits limits_;
  std::map<InodeId, Directory> directories_;
  std::uint64_t uses_ = 0;
  std::uint64_t attempts_ = 0;
};

}  // namespace vcfs::client
