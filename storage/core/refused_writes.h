#pragma once

#include <map>
#include <optional>

#include "common/base/error.h"
#include "storage/core/mutation.h"

namespace vcfs::storage {

// The writes of one file for which this disk had no room. A program that appends has given away more bytes than it has
// been answered for: when the first of them does not fit, none of what it wrote behind it may be put there either (the
// trash may have gone meanwhile), or the file would have zeros in its middle that nobody wrote. Until the client has
// been told: what it writes then it writes knowing it. Used by whoever executes the file's mutations, one after the
// other.
class RefusedWrites {
 public:
  // Why `write` must be refused as well; nullopt when it may be executed.
  std::optional<Error> refuses(const Mutation& write) const;
  // The disk refused `write`, which was to go beyond `end`, where the file ended.
  void note(const Mutation& write, std::uint64_t end, const Error& error);
  void executed(const Mutation& write);  // a repeat of one that was refused makes up for it

 private:
  struct Refusal {
    std::uint64_t sequence = 0;  // the newest that was refused
    std::uint64_t offset = 0;    // where the gap begins
    Error error;
  };
  std::map<ClientId, Refusal> refusals_;
};

}  // namespace vcfs::storage
