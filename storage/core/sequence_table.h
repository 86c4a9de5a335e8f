#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "common/base/ids.h"

namespace vcfs::storage {

// Which calls of which client a replica of one file has executed. A client numbers its calls 1, 2, 3 … per file and
// makes them in that order, so one number per client says it all, but for calls that failed: those were not executed
// and may be repeated.
class SequenceTable {
 public:
  bool executed(ClientId client, std::uint64_t sequence) const;
  // Noted when the call is put in order (its outcome may still be open). Sequences may jump ahead.
  void note(ClientId client, std::uint64_t sequence);
  // The call had no effect after all (disk full).
  void failed(ClientId client, std::uint64_t sequence);
  std::uint64_t last(ClientId client) const;
  std::vector<ClientId> clients() const;
  void forget(ClientId client) { entries_.erase(client); }

 private:
  static constexpr std::size_t kMaxFailed = 1024;  // a client's window is far smaller
  struct Entry {
    std::uint64_t last = 0;
    std::set<std::uint64_t> failed;
  };
  std::map<ClientId, Entry> entries_;
};

}  // namespace vcfs::storage
