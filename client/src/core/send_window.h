#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>

#include "common/rpc/bulk.h"
#include "common/runtime/clock.h"
#include "vcfs/types.h"

namespace vcfs::client {

// The bytes and operations of one file that its primary has not acknowledged yet, in the order in which they must be
// executed. A state machine without I/O: the caller tells it what happened and what time it is, and asks what to send.
//
// Small writes are gathered into segments of at most `segment` bytes; a large one that has an owner is referenced. A
// segment is sent when it is full, when another one follows it, when its oldest byte is maxLag old or when a flush
// covers it. Several writes may be under way at once and be acknowledged in any order. Anything else (truncate, sync …)
// is a barrier: sent when everything before it is acknowledged, and nothing follows before its own answer. rewind()
// makes everything unacknowledged unsent again, with the same sequence numbers and in the same order.
class SendWindow {
 public:
  using Sequence = std::uint64_t;
  enum class Kind : std::uint8_t { write, truncate, allocate, sync, close, copy };

  // Where the bytes of a copy come from.
  struct Source {
    Layout layout;
    bool open = false;  // in state `open`: its primary has to be asked
    std::uint64_t offset = 0;
  };

  struct Limits {
    std::size_t segment = 1u << 20;     // bytes per request
    std::uint64_t inFlight = 8u << 20;  // bytes sent and not acknowledged
    std::size_t requests = 64;          // the same, in requests
    Duration maxLag = std::chrono::milliseconds(50);
  };

  struct Item {
    Sequence sequence = 0;
    Kind kind = Kind::write;
    bool append = false;         // of a write: goes to the end, `offset` is not known before the answer
    bool closes = false;         // of a write: writeFlagClose
    bool syncs = false;          // of a write: writeFlagSync
    std::uint64_t offset = 0;    // of write, allocate and copy
    std::uint64_t length = 0;    // of write, allocate and copy; the new size of truncate
    std::uint32_t mode = 0;      // of allocate
    std::int64_t writtenNs = 0;  // Writer.writtenNs; of the latest of the writes that were gathered here
    const std::byte* data = nullptr;
    std::shared_ptr<const void> owner;     // keeps `data`
    std::shared_ptr<const Source> source;  // of copy

    bool changesFile() const { return kind != Kind::sync && kind != Kind::close; }
    // Appends too: where one goes is known when the one before has been answered.
    bool barrier() const { return kind != Kind::write || closes || append; }
    std::uint64_t end() const { return offset + length; }

   private:
    friend class SendWindow;
    enum class State : std::uint8_t { gathering, ready, inFlight, done };
    State state = State::gathering;
    bool everSent = false;                // a repeat must be the same request
    std::shared_ptr<rpc::Buffer> buffer;  // of gathered bytes; null when `owner` came from the caller
    std::uint64_t charged = 0;            // what it counts for in charged()
    TimePoint born;
    TimePoint sentAt;
  };

  SendWindow(Limits limits, Sequence first);

  // ---- filling

  // What charged() would grow by if these bytes (at most limits.segment) were written now. 0: they fit where memory is
  // already held.
  std::uint64_t costOf(std::uint64_t offset, std::size_t length, bool append, bool owned) const;
  void write(std::uint64_t offset, std::span<const std::byte> data, std::shared_ptr<const void> owner, bool append,
             TimePoint now, std::int64_t writtenNs = 0);
  Sequence truncate(std::uint64_t size, std::int64_t writtenNs = 0);
  Sequence allocate(std::uint64_t offset, std::uint64_t length, std::uint32_t mode, std::int64_t writtenNs = 0);
  Sequence copy(std::uint64_t offset, std::uint64_t length, std::shared_ptr<const Source> source,
                std::int64_t writtenNs = 0);
  // sync() and close() ride on the last write, in one round trip, when that is the only thing in the window and was not
  // sent yet.
  Sequence sync();
  Sequence close();

  // ---- sending

  // Everything that is in the window now is to be sent without waiting for more.
  void flush() { flushUpTo_ = last(); }
  // The next item to send, which counts as sent from now on; null when there is none at this moment.
  const Item* next(TimePoint now);
  // When next() will have something although nothing else happens; nullopt: not by time alone.
  std::optional<TimePoint> due() const;

  // The answer for `sequence` came (or it failed for good): forget it. Returns a copy without the bytes; nullopt when
  // it was answered before.
  std::optional<Item> finish(Sequence sequence);
  // The connection or the primary is another one: send everything that is not finished again.
  void rewind();
  // Gives everything up.
  void clear();

  // ---- asking

  bool empty() const { return items_.empty(); }
  bool allSent() const;
  // Nothing was ever finished or sent, and there is one write.
  bool wholeAndUnsent() const;
  std::size_t inFlight() const { return inFlightRequests_; }
  // Since when the oldest item has been waiting for its answer; nullopt when none is under way.
  std::optional<TimePoint> waitingSince() const;
  Sequence last() const { return first_ + items_.size() - 1; }  // the newest item's sequence, also if finished
  Sequence first() const { return first_; }  // the oldest that is not finished; last() + 1 when there is none
  bool finishedUpTo(Sequence sequence) const { return first_ > sequence; }
  std::uint64_t charged() const { return charged_; }  // bytes of memory held
  // A read of this range must wait: it touches bytes that are not acknowledged, or whose place is not known.
  bool overlaps(std::uint64_t offset, std::uint64_t length) const;
  // Item::writtenNs of the newest change, as long as it is not acknowledged; else 0: then no earlier one is unknown to
  // the primary either, which executes them in order.
  std::int64_t newestChangeNs() const;
  // The size of the file when all of this is executed on a file of `size` bytes.
  std::uint64_t projectedSize(std::uint64_t size) const;

 private:
  Item& at(Sequence sequence) { return items_[sequence - first_]; }
  const Item& at(Sequence sequence) const { return items_[sequence - first_]; }
  const Item* newest() const;  // the segment that may still grow; null when there is none
  bool mergeable(const Item& item, std::uint64_t offset, std::size_t length, bool append) const;
  std::size_t capacityFor(std::size_t length) const;
  void grow(Item& item, std::size_t length);
  void merge(Item& item, std::uint64_t offset, std::span<const std::byte> data);
  Item& push(Item::State state);
  void seal(Item& item);
  bool ready(const Item& item, TimePoint now) const;
  bool admits(const Item& item) const;
  bool hasOnlyUnsentWrite() const;
  Item* onlyUnsentWrite();
  void release(Item& item);

  Limits limits_;
  std::deque<Item> items_;  // by sequence, without gaps, from first_
  const Sequence start_;    // of the first item ever
  Sequence first_;          // the sequence of items_.front()
  Sequence nextToSend_;     // everything before it is in flight or done
  Sequence flushUpTo_ = 0;
  std::uint64_t inFlightBytes_ = 0;
  std::size_t inFlightRequests_ = 0;
  bool barrierInFlight_ = false;
  std::uint64_t charged_ = 0;
  std::size_t usualLength_ = 0;  // of the last segment: the next buffer is made that large at once
};

}  // namespace vcfs::client
