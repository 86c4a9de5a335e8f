#pragma once

#include <algorithm>
#include <list>
#include <memory>
#include <unordered_map>

#include "fuse/policy/io_mode.h"
#include "fuse/policy/size_gate.h"
#include "vcfs/file.h"

namespace vcfs::fuse {

// What this mount knows about an inode. Held by handles that are open on it; everything in it can be lost and asked for
// again, except the counts, which only matter while a handle holds it.
struct Inode {
  Inode(asio::io_context& io, InodeId number) : id(number), gate(io) {}

  const InodeId id;
  Entry entry;  // as of `fetched`; valid if `known`
  bool known = false;
  TimePoint fetched;
  InodeId parent = 0;               // a directory's; 0: not known
  bool believed = true;             // the kernel may hold attributes of it that it believes
  std::optional<PageVersion> told;  // the version of the latest of them
  // Where the kernel takes the file to end: what it was told last, and what was written through it since.
  std::optional<std::uint64_t> kernelEnd;
  bool changedElsewhere = false;     // since it was told
  std::uint64_t changesHeard = 0;    // by others, ever; not of nothing but its layout
  std::uint64_t namedAsOf = 0;       // the last of them that named it; after the others anything may have changed
  std::uint64_t privilegesAsOf = 0;  // after so many of them its mode and capabilities were asked for
  bool askingPrivileges = false;     // with nobody who waits

  std::optional<PageVersion> pages;  // the version of the bytes that the kernel's pages are of
  std::uint32_t cachedHandles = 0;   // open through the page cache
  std::uint32_t directWriters = 0;   // open for writing past it
  std::uint32_t handles = 0;
  std::uint32_t unheard = 0;  // of them, those whose close() the kernel does not tell
  bool rangeLocked = false;   // somebody took an fcntl lock through one of its handles, ever
  bool changedHere = false;   // since it was last read here: the next read moves atime
  bool linkCached = false;    // a symbolic link whose target the kernel may answer by itself
  SizeGate gate;
};
using InodePtr = std::shared_ptr<Inode>;

// Something was written through the kernel, up to there.
inline void grewInKernel(Inode& inode, std::uint64_t end) {
  if (inode.kernelEnd) inode.kernelEnd = std::max(*inode.kernelEnd, end);
}

// The inodes this mount remembers: those that are open, and beyond them a bounded number, the least recently used
// forgotten first. The kernel's node numbers are inode numbers, so forgetting is always harmless and the kernel's own
// lookup counts are not needed. Loop thread only.
class InodeTable {
 public:
  InodeTable(asio::io_context& io, std::size_t capacity) : io_(io), capacity_(capacity) {}

  InodePtr find(InodeId id);  // null: not remembered
  InodePtr get(InodeId id);
  InodePtr remember(const Entry& entry, TimePoint now);
  void forget(InodeId id);  // if no handle is open on it
  void distrustAll();       // what is known of any inode must be asked for again
  template <class F>
  void forEach(F f) const {
    for (const auto& [id, slot] : slots_) f(*slot.inode);
  }
  std::size_t size() const { return slots_.size(); }

 private:
  struct Slot {
    InodePtr inode;
    std::list<InodeId>::iterator place;
  };
  void makeRoom();

  asio::io_context& io_;
  const std::size_t capacity_;
  std::unordered_map<InodeId, Slot> slots_;
  std::list<InodeId> recent_;  // most recently used first
};

}  // namespace vcfs::fuse
