#include "storage/core/ack_tracker.h"

#include <algorithm>

namespace vcfs::storage {

AckTracker::Ticket AckTracker::push(Entry entry) {
  entries_.push_back(std::move(entry));
  return first_ + entries_.size() - 1;
}

AckTracker::Ticket AckTracker::begin(std::uint64_t end, std::vector<StorageId> waitFor) {
  return push(Entry{end, false, false, std::move(waitFor)});
}

AckTracker::Ticket AckTracker::beginTruncate(std::uint64_t size, std::vector<StorageId> waitFor) {
  return push(Entry{size, true, false, std::move(waitFor)});
}

AckTracker::Entry* AckTracker::find(Ticket ticket) {
  if (ticket < first_ || ticket - first_ >= entries_.size()) return nullptr;
  return &entries_[ticket - first_];
}

const AckTracker::Entry* AckTracker::find(Ticket ticket) const { return const_cast<AckTracker*>(this)->find(ticket); }

bool AckTracker::ack(Ticket ticket, StorageId storage) {
  Entry* entry = find(ticket);
  if (entry == nullptr || entry->failed || std::erase(entry->waiting, storage) == 0) return false;
  if (!entry->waiting.empty()) return false;
  publish();
  return true;
}

bool AckTracker::fail(Ticket ticket) {
  Entry* entry = find(ticket);
  if (entry == nullptr || entry->failed || entry->waiting.empty()) return false;
  entry->failed = true;
  entry->waiting.clear();
  publish();
  return true;
}

std::vector<AckTracker::Ticket> AckTracker::drop(StorageId storage) {
  std::vector<Ticket> completed;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (std::erase(entries_[i].waiting, storage) != 0 && entries_[i].waiting.empty()) completed.push_back(first_ + i);
  }
  publish();
  return completed;
}

bool AckTracker::waitsFor(Ticket ticket, StorageId storage) const {
  const Entry* entry = find(ticket);
  return entry != nullptr && std::find(entry->waiting.begin(), entry->waiting.end(), storage) != entry->waiting.end();
}

std::vector<AckTracker::Ticket> AckTracker::abandon() {
  std::vector<Ticket> unfinished;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].waiting.empty()) unfinished.push_back(first_ + i);
  }
  first_ += entries_.size();
  entries_.clear();
  return unfinished;
}

void AckTracker::publish() {
  while (!entries_.empty() && entries_.front().waiting.empty()) {
    const Entry& entry = entries_.front();
    if (!entry.failed) published_ = entry.truncate ? entry.end : std::max(published_, entry.end);
    entries_.pop_front();
    ++first_;
  }
}

std::uint64_t AckTracker::published() const {
  std::uint64_t size = published_;
  for (const Entry& entry : entries_) {
    if (entry.truncate && !entry.failed) size = std::min(size, entry.end);
  }
  return size;
}

std::uint64_t AckTracker::orderedEnd() const {
  std::uint64_t end = published_;
  for (const Entry& entry : entries_) {
    if (entry.failed) continue;
    end = entry.truncate ? entry.end : std::max(end, entry.end);
  }
  return end;
}

}  // namespace vcfs::storage
