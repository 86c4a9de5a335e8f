#pragma once

#include <optional>
#include <vector>

#include "vcfs/types.h"

namespace vcfs::storage {

// What this server is to a file, by the newest layout it knows.
enum class Role : std::uint8_t {
  unknown,   // no layout seen yet in this process's life
  primary,   // orders writes
  follower,  // in sync, takes the primary's writes
  syncing,   // takes the primary's writes and copies the rest behind; serves nothing
  stale,     // missed something; serves nothing
  none,      // not in the layout
};

// The fence: which epoch a replica is in, who is in its layout, and which requests it must refuse. No I/O; the caller
// persists epoch() before it acts on a raise.
class ReplicaFence {
 public:
  explicit ReplicaFence(InodeId inode) : inode_(inode) {}

  // From disk at start: the epoch counts, the layout must be learnt again.
  void restoreEpoch(Epoch epoch) { epoch_ = since_ = epoch; }

  enum class Admission { ok, stale, needLayout, adopt };
  // A request that carries `epoch`, with or without a layout.
  //   stale: refuse.  adopt: call adopt(layout) first.  needLayout: ask the caller for it.
  Admission admit(Epoch epoch, bool hasLayout) const;
  // For replicate(): a newer epoch is believed without a layout, since only a primary that has it sends it. An older
  // one is not over for the primary that it has in common with the present one: see since().
  Admission admitReplication(Epoch epoch, bool hasLayout) const;

  // Takes a layout of the present or a newer epoch. False when it is older (nothing is changed).
  bool adopt(const Layout& layout, StorageId self);
  // A newer epoch seen without its layout (replicate without one): the layout is unknown until it is told.
  void raise(Epoch epoch);

  // A replica answered that this epoch is over although no newer layout is known here: not primary any more.
  void depose() { deposed_ = true; }
  bool deposed() const { return deposed_; }
  // This server restarted with the file open, or its disk failed: it must not serve before the catalog said so.
  void distrust() { distrusted_ = true; }
  bool distrusted() const { return distrusted_; }
  // The tracker confirmed that this replica is in sync as it is (it is the only one left).
  void trust() { distrusted_ = false; }

  InodeId inode() const { return inode_; }
  Epoch epoch() const { return epoch_; }
  // The first epoch since which, without a gap in what is known, the primary is the same and this replica takes its
  // writes. What that primary sent in such an epoch may arrive after a newer one was learnt; it is still to be
  // executed.
  Epoch since() const { return since_; }
  bool knowsLayout() const { return layout_.epoch != 0 && layout_.epoch == epoch_; }
  const Layout& layout() const { return layout_; }
  Role role() const { return role_; }
  bool isPrimary() const { return role_ == Role::primary && !deposed_ && !distrusted_; }
  bool servesReads() const { return (role_ == Role::primary || role_ == Role::follower) && !deposed_ && !distrusted_; }
  // The address of the primary; empty when there is none.
  std::string primaryAddress() const;

 private:
  InodeId inode_;
  bool continues(const Layout& layout, StorageId self) const;

  Epoch epoch_ = 0;
  Epoch since_ = 0;
  Layout layout_;
  Role role_ = Role::unknown;
  bool deposed_ = false;
  bool distrusted_ = false;
};

Role roleOf(const Layout& layout, StorageId self);

}  // namespace vcfs::storage
