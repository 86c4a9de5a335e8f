#include "storage/core/sequence_table.h"

namespace vcfs::storage {

bool SequenceTable::executed(ClientId client, std::uint64_t sequence) const {
  auto entry = entries_.find(client);
  return entry != entries_.end() && sequence <= entry->second.last && !entry->second.failed.contains(sequence);
}

bool SequenceTable::follows(ClientId client, std::uint64_t first, std::uint64_t sequence) const {
  if (first == 0 || first >= sequence) return true;
  auto entry = entries_.find(client);
  if (entry == entries_.end() || entry->second.last + 1 < sequence) return false;
  const auto missing = entry->second.withdrawn.lower_bound(first);
  return missing == entry->second.withdrawn.end() || *missing >= sequence;
}

void SequenceTable::note(ClientId client, std::uint64_t sequence) {
  Entry& entry = entries_[client];
  entry.left = false;
  if (sequence > entry.last) {
    entry.last = sequence;
  } else if (!entry.failed.empty()) {
    entry.failed.erase(sequence);
    entry.withdrawn.erase(sequence);
  }
}

void SequenceTable::failed(ClientId client, std::uint64_t sequence) {
  Entry& entry = entries_[client];
  entry.failed.insert(sequence);
  if (entry.failed.size() <= kMaxFailed) return;
  entry.withdrawn.erase(*entry.failed.begin());
  entry.failed.erase(entry.failed.begin());
}

void SequenceTable::withdrawn(ClientId client, std::uint64_t sequence) {
  failed(client, sequence);
  Entry& entry = entries_[client];
  if (entry.failed.contains(sequence)) entry.withdrawn.insert(sequence);
}

std::uint64_t SequenceTable::last(ClientId client) const {
  auto entry = entries_.find(client);
  return entry == entries_.end() ? 0 : entry->second.last;
}

void SequenceTable::leave(ClientId client) { entries_[client].left = true; }

void SequenceTable::leaveAll() {
  for (auto& [client, entry] : entries_) entry.left = true;
}

bool SequenceTable::hasLeft(ClientId client) const {
  auto entry = entries_.find(client);
  return entry != entries_.end() && entry->second.left;
}

std::vector<ClientId> SequenceTable::writers() const {
  std::vector<ClientId> result;
  for (const auto& [client, entry] : entries_) {
    if (!entry.left) result.push_back(client);
  }
  return result;
}

std::vector<SequenceTable::Record> SequenceTable::records() const {
  std::vector<Record> result;
  for (const auto& [client, entry] : entries_) {
    Record record;
    record.client = client;
    record.last = entry.last;
    record.failed.assign(entry.failed.begin(), entry.failed.end());
    record.left = entry.left;
    result.push_back(std::move(record));
  }
  return result;
}

void SequenceTable::replace(const std::vector<Record>& records) {
  entries_.clear();
  for (const Record& record : records) {
    Entry& entry = entries_[record.client];
    entry.last = record.last;
    entry.failed.insert(record.failed.begin(), record.failed.end());
    entry.left = record.left;
  }
}

}  // namespace vcfs::storage
