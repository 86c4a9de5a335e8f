#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "common/base/ids.h"

namespace vcfs::storage {

// Which replicas still owe an answer to which of one file's operations, and what size may be told to readers.
// Used by the primary; the local disk counts as one replica (its own storage id).
//
// Operations are numbered in the file's order. An operation is complete when every replica it waits for has answered
// (or was dropped from the layout). The published size follows complete operations strictly in order.
class AckTracker {
 public:
  using Ticket = std::uint64_t;

  // An operation whose own bytes end at `end` (0: changes no size), wherever those before it end: they may still fail.
  // `waitFor` must not be empty.
  Ticket begin(std::uint64_t end, std::vector<StorageId> waitFor);
  // An operation that sets the size.
  Ticket beginTruncate(std::uint64_t size, std::vector<StorageId> waitFor);

  // A replica's answer. True when this made the operation complete.
  bool ack(Ticket ticket, StorageId storage);
  // The operation failed as a whole: it is over and publishes nothing. False when it was over already.
  bool fail(Ticket ticket);
  // `storage` is no longer in sync: nobody waits for it. Returns the operations that this completed, in order.
  std::vector<Ticket> drop(StorageId storage);
  // Waiting sets are fixed at begin(): a replica that joins is waited for from the next operation on.
  bool waitsFor(Ticket ticket, StorageId storage) const;
  // All unfinished operations are abandoned (this server is not the primary any more).
  std::vector<Ticket> abandon();

  // What readers may see. Lowered at once by an unfinished truncate.
  std::uint64_t published() const;
  void setPublished(std::uint64_t size) { published_ = size; }  // on taking over
  // The end of everything put in order so far, finished or not: where an append goes.
  std::uint64_t orderedEnd() const;
  bool idle() const { return entries_.empty(); }
  bool untouched() const { return first_ == 1 && entries_.empty(); }  // nothing was ever put in order
  std::size_t outstanding() const { return entries_.size(); }

 private:
  struct Entry {
    std::uint64_t end = 0;
    bool truncate = false;
    bool failed = false;
    std::vector<StorageId> waiting;
  };
  Entry* find(Ticket ticket);
  const Entry* find(Ticket ticket) const;
  Ticket push(Entry entry);
  void publish();

  std::deque<Entry> entries_;  // entries_[i] has ticket first_ + i
  Ticket first_ = 1;
  std::uint64_t published_ = 0;
};

}  // namespace vcfs::storage
