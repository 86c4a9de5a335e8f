#pragma once

#include <cstdint>
#include <optional>

#include "idserver/store/range_store.h"

namespace vcfs::idserver {

// Cuts leases from ranges that are durable already, and says when the next one should be fetched. No I/O.
class LeaseCore {
 public:
  // `block`: how many ids are made durable at once (1 …). A restart skips what was left of the last block.
  explicit LeaseCore(std::uint64_t block) : block_(block) {}

  // `count` consecutive ids, or nothing when refill() must be fetched and add()ed first.
  std::optional<IdRange> take(std::uint32_t count);

  // How many ids to reserve so that a lease of `count` does not wait; 0: enough are at hand. Says so early, at half
  // a block, so that the fetch overlaps with leases.
  std::uint64_t refill(std::uint32_t count) const;

  // A range fresh from the store. One that does not continue the present one replaces it; the rest is lost.
  void add(IdRange range);

  std::uint64_t left() const { return end_ - next_; }
  std::uint64_t leased() const { return leased_; }  // ids handed out since the start
  std::uint64_t next() const { return next_; }

 private:
  std::uint64_t block_;
  std::uint64_t next_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t leased_ = 0;
};

}  // namespace vcfs::idserver
