#pragma once

#include <capnp/capability.h>

#include <memory>

#include "schema/tracker.capnp.h"
#include "tracker/service/tracker_core.h"

namespace vcfs::tracker {

class Coordinator;

// clang-format off
#define VCFS_TRACKER_METHODS(X) \
  X(hello, Hello) X(ping, Ping) X(watch, Watch) X(lookup, Lookup) X(getAttr, GetAttr) X(resolve, Resolve) \
  X(readDir, ReadDir) X(readLink, ReadLink) X(statFs, StatFs) X(parent, Parent) X(create, Create) \
  X(mkdir, Mkdir) X(unlink, Unlink) X(rmdir, Rmdir) X(rename, Rename) X(link, Link) X(setAttr, SetAttr) \
  X(openForWrite, OpenForWrite) X(syncNames, SyncNames) X(getXattr, GetXattr) X(listXattr, ListXattr) \
  X(setXattr, SetXattr) X(removeXattr, RemoveXattr) X(pin, Pin) X(reportFailure, ReportFailure) \
  X(registerStorage, RegisterStorage) X(heartbeat, Heartbeat) X(reportFiles, ReportFiles) \
  X(caughtUp, CaughtUp) X(staleReplicas, StaleReplicas) X(replicasHere, ReplicasHere) X(status, Status) \
  X(fileInfo, FileInfo) X(groups, Groups) X(users, Users) X(assignUser, AssignUser) X(setGroup, SetGroup) \
  X(getLock, GetLock) X(setLock, SetLock) X(renewLocks, RenewLocks) X(cancelLock, CancelLock) \
  X(storages, Storages) X(drainStorage, DrainStorage) X(removeStorage, RemoveStorage) \
  X(auditFiles, AuditFiles) X(auditInodes, AuditInodes) X(auditNames, AuditNames) X(pathsOf, PathsOf) \
  X(leaseNames, LeaseNames) X(noteReads, NoteReads) X(acceptLoss, AcceptLoss) \
  X(adoptNewer, AdoptNewer)
// clang-format on

// The methods of schema/tracker.capnp for one session: read the parameters, run the operation, fill the answer. An
// Error that leaves a method becomes the answer's status (tracker_service.cpp). Held alive by every call under way.
class Handlers : public std::enable_shared_from_this<Handlers> {
 public:
  Handlers(std::shared_ptr<TrackerCore> core, std::shared_ptr<Coordinator> coordinator,
           std::shared_ptr<Session> session);

#define VCFS_DECLARE(method, Name)                                                                         \
  using Name##Context = capnp::CallContext<schema::Tracker::Name##Params, schema::Tracker::Name##Results>; \
  Task<void> method(Name##Context context);
  VCFS_TRACKER_METHODS(VCFS_DECLARE)
#undef VCFS_DECLARE

  TrackerCore& core() { return *core_; }

 private:
  using Names = std::vector<ops::NameAt>;
  Task<ops::Outcome> mutate(ops::Request request, ops::RequestOp op, TrackerCore::Mutation mutation);  // of no name
  Task<ops::Outcome> mutate(ops::Request request, ops::RequestOp op, Names names, TrackerCore::Mutation mutation);
  // A mutation that makes the last of `names`: whoever denies names there by himself is told first.
  Task<ops::Outcome> makeName(ops::Request request, ops::RequestOp op, Names names, TrackerCore::Mutation mutation);

  std::shared_ptr<TrackerCore> core_;
  std::shared_ptr<Coordinator> coordinator_;
  std::shared_ptr<Session> session_;
};

// ---- shared by the files that implement Handlers
inline ops::Request toRequest(schema::RequestId::Reader reader) {
  return ops::Request{reader.getClient(), reader.getSequence()};
}

}  // namespace vcfs::tracker
