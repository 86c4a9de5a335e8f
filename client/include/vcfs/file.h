#pragma once

#include <memory>
#include <span>
#include <vector>

#include "vcfs/types.h"

namespace vcfs {

struct OpenMode {
  bool read = true;
  bool write = false;
  bool append = false;  // every write goes to the end, wherever other hosts have moved it
};

// One open file. All handles of one file in one Cluster share its send window, so each sees at once what the others
// wrote. Loop thread only; close() it before dropping the last reference (a dropped one is closed in the background).
class File {
 public:
  virtual ~File() = default;
  virtual InodeId inode() const = 0;

  // Bytes up to the published size and this process's own writes. Fewer than `length` only at the end of the file.
  // The pieces are in order and without gaps, and need not be copied.
  virtual Task<std::vector<Piece>> read(std::uint64_t offset, std::size_t length) = 0;
  // A hint that these bytes will be read next: they are fetched ahead, within the read-ahead's budget. Never fails.
  virtual void willRead(std::uint64_t offset, std::size_t length) = 0;
  // A hint that nothing will be read for a while: what was fetched ahead is let go of if the read-ahead's budget is
  // more than half used up. The handle stays as it is. Never fails.
  virtual void willPause() {}
  // The same as read(), copied; returns how many bytes.
  virtual Task<std::size_t> readInto(std::uint64_t offset, std::span<std::byte> out) = 0;

  // Takes the bytes into the send window and returns; waits while the window is full. With `owner` (8-aligned data,
  // at least 256 KiB, 8 readable bytes behind) they are not copied. An error that happened to earlier bytes behind the
  // caller's back is thrown here once, and by sync() or flush() once more, per handle.
  virtual Task<void> write(std::uint64_t offset, std::span<const std::byte> data,
                           std::shared_ptr<const void> owner = nullptr) = 0;

  // Every byte written before is on every in-sync replica when it returns. What close(2) promises. When every server of
  // the file has lost power, and with it perhaps bytes that were acknowledged and not synced, the next flush(), sync()
  // or close() of each handle says so once, with Error(io); write() goes on.
  // `last`: the caller knows of no other use of this handle, the file may be sealed if it is the last writer's.
  virtual Task<void> flush(bool last = false) = 0;
  // For who only waits for the bytes and is not their writer: ends when everything that this client wrote before is on
  // every in-sync replica, or has failed. Which of both it does not tell, so that the writer is told (see write()).
  virtual Task<void> drain() = 0;
  // All that was ever written to the file by this client is still in its send window, in one piece, none of it sent:
  // the file is a small one and at most max-lag old. flush(true) then brings and seals it in one round trip.
  virtual bool unsent() const = 0;
  // flush, and on stable storage at every in-sync replica; also what this client changed of the file's names and
  // attributes.
  virtual Task<void> sync() = 0;
  // Also makes it longer, with a hole. Done at every in-sync replica when it returns; on stable storage after sync().
  virtual Task<void> truncate(std::uint64_t size) = 0;
  virtual Task<void> allocate(std::uint64_t offset, std::uint64_t length, std::uint32_t mode) = 0;  // fallocate(2)
  // The next place from `offset` on that is data, or with `hole` one that is none (the end counts as a hole).
  // Error(noAttribute): there is none.
  virtual Task<std::uint64_t> seek(std::uint64_t offset, bool hole) = 0;
  // Copies bytes of `source` (this file too, if the ranges do not overlap) on the servers' side. Returns how many:
  // fewer than `length` at its end or when the call would take long. Error(notSupported): the servers cannot, read and
  // write instead.
  virtual Task<std::uint64_t> copyFrom(std::shared_ptr<File> /*source*/, std::uint64_t /*sourceOffset*/,
                                       std::uint64_t /*offset*/, std::uint64_t /*length*/) {
    throw Error(Errc::notSupported, "copyFrom");
  }
  virtual Task<Attr> stat() = 0;  // as Cluster::getAttr
  // Returns when the published size differs from `known` or the file is not being written any more, or after `limit`.
  virtual Task<Growth> waitForGrowth(std::uint64_t known, std::chrono::milliseconds limit) = 0;
  // flush(true) and give the handle up. Throws what went wrong with the data; the handle is closed all the same.
  virtual Task<void> close() = 0;
};

}  // namespace vcfs
