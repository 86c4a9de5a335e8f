#pragma once

#include "client/src/core.h"
#include "client/src/core/name_index.h"

namespace vcfs::client {

// Leases on the names of directories in which this client makes many: asked for when they would pay, and filled with
// the names that are there. While one holds, a name that is not among them need not be looked for (NameIndex). Loop
// thread only.
class NameLeases : public std::enable_shared_from_this<NameLeases> {
 public:
  explicit NameLeases(std::shared_ptr<Core> core) : core_(std::move(core)) {}

  // Certainly not there, at this moment.
  bool denies(InodeId directory, const std::string& name) const;
  void removed(InodeId directory, const std::string& name) { index_.removed(directory, name); }
  void recalled(InodeId directory) { index_.recalled(directory, core_->now()); }
  void lost() { index_.lost(); }  // the session at the tracker, and every lease with it

  // A name that is being made here: the index knows of it before anybody can find it. Lives as long as the call.
  class Making {
   public:
    Making(std::shared_ptr<NameLeases> leases, InodeId directory, std::string name);
    ~Making() { leases_->index_.made(directory_, name_); }
    Making(const Making&) = delete;
    Making& operator=(const Making&) = delete;

   private:
    const std::shared_ptr<NameLeases> leases_;
    const InodeId directory_;
    const std::string name_;
  };

 private:
  Task<void> lease(InodeId directory, std::uint64_t attempt);
  Task<bool> list(InodeId directory, std::uint64_t attempt);

  std::shared_ptr<Core> core_;
  NameIndex index_{NameIndex::Limits{}};
};

// One page of a directory, as Cluster::readDir.
Task<DirPage> readPage(std::shared_ptr<Core> core, InodeId directory, std::uint64_t after, std::uint32_t limit,
                       bool layouts);

}  // namespace vcfs::client
