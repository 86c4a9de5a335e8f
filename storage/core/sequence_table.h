#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "common/base/ids.h"

namespace vcfs::storage {

// What a replica of one file knows of the file's clients: which of their calls were executed, and who has closed it.
// A client numbers its calls 1, 2, 3 … per file and makes them in that order, so one number per client says it all, but
// for calls that failed: those were not executed and may be repeated.
class SequenceTable {
 public:
  struct Record {
    ClientId client = 0;
    std::uint64_t last = 0;
    std::vector<std::uint64_t> failed;
    bool left = false;
    friend bool operator==(const Record&, const Record&) = default;
  };

  bool executed(ClientId client, std::uint64_t sequence) const;
  // Whether `sequence` may be put in order now, as far as this client's earlier calls go: none of those from `first` on
  // is missing here. One that was refused will be repeated, and nothing may be executed before it.
  bool follows(ClientId client, std::uint64_t first, std::uint64_t sequence) const;
  // Noted when the call is put in order (its outcome may still be open). Sequences may jump ahead.
  void note(ClientId client, std::uint64_t sequence);
  // The call had no effect after all (disk full); its client is told so.
  void failed(ClientId client, std::uint64_t sequence);
  // It is not known who has executed the call; its client is told to repeat it.
  void withdrawn(ClientId client, std::uint64_t sequence);
  std::uint64_t last(ClientId client) const;

  void leave(ClientId client);  // it has closed the file; whatever it does next takes that back
  void leaveAll();              // the file is sealed
  bool hasLeft(ClientId client) const;
  std::vector<ClientId> writers() const;  // whoever has not left

  // For another replica.
  std::vector<Record> records() const;
  void replace(const std::vector<Record>& records);

 private:
  static constexpr std::size_t kMaxFailed = 1024;  // a client's window is far smaller
  struct Entry {
    std::uint64_t last = 0;
    std::set<std::uint64_t> failed;
    std::set<std::uint64_t> withdrawn;  // part of `failed`
    bool left = false;
  };
  std::map<ClientId, Entry> entries_;
};

}  // namespace vcfs::storage
