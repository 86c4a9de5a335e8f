#pragma once

#include <algorithm>
#include <cstdint>

#include "vcfs/types.h"

namespace vcfs::client {

// The next nanosecond; a time that somebody set may be the last there is.
inline std::int64_t laterThan(std::int64_t ns) { return ns == INT64_MAX ? ns : ns + 1; }

// What a storage server told about a file (schema/storage.capnp, FileInfo).
struct FileInfo {
  std::uint64_t size = 0;  // published
  std::int64_t mtimeNs = 0;
  std::uint64_t blocks = 0;
  FileState state = FileState::none;
  Epoch epoch = 0;
  std::uint32_t writers = 0;
  std::uint64_t bytesToGo = 0;
  std::uint64_t changeId = 0;
  std::uint64_t powerLoss = 0;
};

// The size, times and state of a file as this process knows them, from answers that may overtake each other.
//
// An answer of another call than a write says how it is (somebody else may have cut the file), unless one of our own
// writes or truncates was acknowledged after that call was made. Our own acknowledged bytes only ever make it larger.
class SizeView {
 public:
  using Stamp = std::uint64_t;

  // Taken when a request is sent and given back with its answer.
  Stamp sending() { return ++clock_; }

  void known(const Attr& attr) {
    info_.size = attr.size;
    info_.mtimeNs = std::min(attr.mtimeNs, attr.ctimeNs);  // one in the future was set by hand: nothing happened then
    info_.blocks = attr.blocks;
    info_.state = attr.state;
  }
  // The catalog's ctime: somebody changed the inode then, perhaps its times (utimens).
  void changedAt(std::int64_t ctimeNs) { changedNs_ = std::max(changedNs_, ctimeNs); }
  void observed(Stamp sent, const FileInfo& info) {
    heard(info);
    if (sent < cut_) return;
    if (sent > exact_ && sent > grown_) {
      const std::uint64_t change = std::max(info_.changeId, info.changeId);
      info_ = info;
      info_.changeId = change;
      if (sent < opened_) info_.state = FileState::open;
      exact_ = sent;
      return;
    }
    larger(info);
  }
  void wrote(Stamp sent, const FileInfo& info, std::uint64_t end) {
    heard(info);
    grown_ = ++clock_;
    if (sent >= cut_) larger(info);
    info_.size = std::max(info_.size, end);
    info_.state = info.state;
  }
  // Of a sync or a close: nothing of ours was on its way with it, so the answer says how the file is.
  void settled(Stamp sent, const FileInfo& info) {
    observed(sent, info);
    info_.state = info.state;
  }
  void truncated(const FileInfo& info, std::uint64_t size) {
    heard(info);
    cut_ = exact_ = ++clock_;
    info_ = info;
    info_.size = size;
  }

  bool heard() const { return exact_ != 0 || grown_ != 0; }  // from a server, not only from the catalog
  const FileInfo& info() const { return info_; }
  // The latest mtime that a server told. info() may have one that somebody set, from the catalog.
  std::int64_t toldMtimeNs() const { return toldNs_; }
  // The latest time at which something is known to have happened to the file, by whichever server's clock.
  std::int64_t latestNs() const { return std::max(toldNs_, changedNs_); }
  std::uint64_t size() const { return info_.size; }
  FileState state() const { return info_.state; }
  // Once it is said to be open again, an answer to an earlier call does not close it.
  void setState(FileState state) {
    info_.state = state;
    if (state == FileState::open) opened_ = ++clock_;
  }

 private:
  void heard(const FileInfo& info) { toldNs_ = std::max(toldNs_, info.mtimeNs); }
  void larger(const FileInfo& info) {
    info_.size = std::max(info_.size, info.size);
    info_.mtimeNs = toldNs_;
    info_.blocks = std::max(info_.blocks, info.blocks);
    info_.changeId = std::max(info_.changeId, info.changeId);
    info_.epoch = std::max(info_.epoch, info.epoch);
  }

  FileInfo info_;
  Stamp clock_ = 0;
  Stamp exact_ = 0;  // the newest answer that was taken as it was
  Stamp grown_ = 0;  // our last acknowledged write
  Stamp cut_ = 0;    // our last acknowledged truncate: older answers tell of a file that is no more
  Stamp opened_ = 0;
  std::int64_t toldNs_ = 0;
  std::int64_t changedNs_ = 0;
};

}  // namespace vcfs::client
