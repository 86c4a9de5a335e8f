#include "storage/core/sequence_table.h"

#include <vector>

namespace vcfs::storage {

bool SequenceTable::executed(ClientId client, std::uint64_t sequence) const {
  auto entry = entries_.find(client);
  return entry != entries_.end() && sequence <= entry->second.last && !entry->second.failed.contains(sequence);
}

void SequenceTable::note(ClientId client, std::uint64_t sequence) {
  Entry& entry = entries_[client];
  if (sequence > entry.last) {
    entry.last = sequence;
  } else if (!entry.failed.empty()) {
    entry.failed.erase(sequence);
  }
}

void SequenceTable::failed(ClientId client, std::uint64_t sequence) {
  Entry& entry = entries_[client];
  entry.failed.insert(sequence);
  if (entry.failed.size() > kMaxFailed) entry.failed.erase(entry.failed.begin());
}

std::uint64_t SequenceTable::last(ClientId client) const {
  auto entry = entries_.find(client);
  return entry == entries_.end() ? 0 : entry->second.last;
}

std::vector<ClientId> SequenceTable::clients() const {
  std::vector<ClientId> result;
  for (const auto& [client, entry] : entries_) result.push_back(client);
  return result;
}

}  // namespace vcfs::storage
