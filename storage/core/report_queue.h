#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <vector>

#include "common/base/ids.h"

namespace vcfs::storage {

// Which files trackers are to be told about: those that are written, now and then, and those that were closed or opened
// again, at once and until they were heard. A closing that was heard is kept until it is on the catalog's disk: a
// tracker that lost power may not have it any more. Without I/O. Holds what is open, what was not heard yet, and what
// was heard in the last second or two.
class ReportQueue {
 public:
  static constexpr std::size_t kPerCall = 500;
  static constexpr std::size_t kMostHeard = 100'000;

  void noteOpen(InodeId inode) { files_.insert(inode); }  // its size is to be told
  void noteClosing(InodeId inode);                        // its state is, at once
  void noteResend(InodeId inode) { resend_.insert(inode); }
  void notUrgent(InodeId inode) { urgent_.erase(inode); }  // what was urgent about it is over, or was heard
  void forget(InodeId inode);                              // nothing of it is to be told
  void remove(InodeId inode);                              // nor told again: the file is not here any more

  std::size_t heard() const { return heard_.size() + settling_.size(); }
  // Nothing more is to be told, unless the tracker loses it. False: kMostHeard are kept already, since the catalog's
  // disk takes nothing, and this one is not.
  bool heardClosing(InodeId inode);
  // What was heard until now is about to be made stable; false: nothing was. The end gives the files whose closing is
  // on the catalog's disk, and which were not told again meanwhile. Where that failed it is tried again.
  bool beginSettling();
  std::vector<InodeId> endSettling(bool stable);
  void tellHeardAgain();  // the tracker may be one that lost power

  // To be told, or perhaps to be told again.
  bool waits(InodeId inode) const {
    return files_.contains(inode) || heard_.contains(inode) || settling_.contains(inode);
  }
  bool isUrgent(InodeId inode) const { return urgent_.contains(inode); }
  bool anyUrgent() const { return !urgent_.empty(); }
  std::size_t urgent() const { return urgent_.size(); }
  bool anyResend() const { return !resend_.empty(); }

  // One call's worth, beginning behind where the last one ended, so that every file has its turn. `all`: sizes too.
  std::vector<InodeId> next(bool all);
  std::vector<InodeId> first(std::size_t most) const;
  std::optional<InodeId> takeResend();  // one that is to be told again; it is not here any more then

  // Of which files the call that is under way tells.
  void callTells(InodeId inode) { inCall_.insert(inode); }
  void callEnds() { inCall_.clear(); }
  bool inCall(InodeId inode) const { return inCall_.contains(inode); }

 private:
  std::set<InodeId> files_;   // whose size or closing is to be told
  std::set<InodeId> urgent_;  // of these at once
  std::set<InodeId> resend_;  // sealed before the last start: told again with what the disk says
  std::set<InodeId> inCall_;
  std::set<InodeId> heard_;     // closings that a tracker has, perhaps not on its disk
  std::set<InodeId> settling_;  // those of them that it was asked to bring there
  InodeId cursor_ = 0;
};

}  // namespace vcfs::storage
