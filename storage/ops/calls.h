#pragma once

#include <capnp/capability.h>

#include "common/rpc/bulk.h"
#include "common/rpc/call.h"
#include "common/rpc/connection.h"
#include "schema/convert.h"
#include "storage/node.h"

// What the operations share: checking at the door, standing in line for a file, turning an Error into a status.
namespace vcfs::storage {

// One connection's server side.
struct Session {
  std::weak_ptr<rpc::Connection> connection;
  ClientId client = 0;  // 0 until hello()
  std::string host;
  TimePoint heard{};  // its last ping or replicated operation
  // By how much, at the least, its writers' clock was behind this server's when a change came: timeOf().
  std::int64_t leastBehindNs = INT64_MAX;
  std::int64_t leastSinceNs = 0;
};
using SessionPtr = std::shared_ptr<Session>;

// The one border where an Error becomes an answer.
template <class Context>
void refuse(Context& context, const Error& error, const File* file = nullptr) {
  // The replica was removed while the request waited for its disk. That the disk has it no more says nothing of the
  // file, which may live on other servers: a tracker knows.
  if (file != nullptr && file->removed && error.code() == Errc::notFound)
    return refuse(context, replicaRemoved(), file);
  auto status = context.getResults().initStatus();
  const bool helps =
      error.code() == Errc::staleEpoch || error.code() == Errc::notPrimary || error.code() == Errc::notInSync;
  if (helps && file != nullptr && file->replica.knowsLayout()) {
    schema::fill(status, error, file->replica.layout());
  } else {
    schema::fill(status, error);
  }
}

// True, and refused, when the replica was removed while the request stood in line for it.
template <class Context>
bool refuseRemoved(Context& context, const File& file) {
  if (file.removed) refuse(context, replicaRemoved());
  return file.removed;
}

// Checks inode and epoch, stands in line for the file and runs `body(file, context)`, which returns a promise and may
// throw an Error before it suspends.
template <class Context, class Body>
kj::Promise<void> onFile(NodePtr node, Context context, Body body) {
  InodeId inode = 0;
  try {
    auto params = context.getParams();
    limits::checkFile(params.getInode(), params.getEpoch());
    inode = params.getInode();
  } catch (const Error& error) {
    refuse(context, error);
    return kj::READY_NOW;
  }
  return node->enter(inode, [context, body = kj::mv(body)](FilePtr file) mutable -> kj::Promise<void> {
    try {
      return body(file, context);
    } catch (const Error& error) {
      refuse(context, error, file.get());
      return kj::READY_NOW;
    }
  });
}

// Until it is known what became of the operations that were on their way to this disk when it took over: a repeat of
// one would be answered as executed, and it may fail yet; what comes behind it would get in front of its next repeat.
// All go on at once, in their order: nothing that comes later gets in front of them.
template <class Context>
kj::Promise<void> whenSettled(NodePtr node, SessionPtr session, const FilePtr& file, Context context,
                              kj::Promise<void> (*op)(NodePtr, SessionPtr, Context)) {
  auto settled = kj::newPromiseAndFulfiller<void>();
  file->whenSettled.push_back(kj::mv(settled.fulfiller));
  return settled.promise.then([node, session, context, op]() mutable { return op(node, session, context); });
}

// What a change tells of its time, as if it had come as quickly as the quickest one of its session in the last minute:
// it may have stood in line for seconds, on its way or here, and that is not a clock that is behind.
WriterTime timeOf(Session& session, schema::Writer::Reader writer, std::int64_t nowNs);

// The bytes of a request in a form that outlives it: the received message itself where it is large, else a copy.
struct Bytes {
  std::span<const std::byte> data;
  std::shared_ptr<void> keep;
};
Bytes keepBytes(capnp::Data::Reader data);

// Answers with the file's info when the operation is over.
template <class Context>
kj::Promise<void> answerInfo(NodePtr node, FilePtr file, Context context, OpPtr op) {
  auto done = [node, file, context, op]() mutable {
    if (op->error) {
      refuse(context, *op->error, file.get());
      return;
    }
    node->fillInfo(context.getResults().initInfo(), *file);
  };
  if (op->done) {
    done();
    return kj::READY_NOW;
  }
  return op->wait().then(kj::mv(done));
}

// The call contexts, which the generated class keeps to its descendants.
struct Server : schema::Storage::Server {
  using schema::Storage::Server::AdoptContext;
  using schema::Storage::Server::AllocateContext;
  using schema::Storage::Server::CatchUpContext;
  using schema::Storage::Server::ChecksumsContext;
  using schema::Storage::Server::CloseContext;
  using schema::Storage::Server::CopyRangeContext;
  using schema::Storage::Server::FetchContext;
  using schema::Storage::Server::HandOverContext;
  using schema::Storage::Server::InspectContext;
  using schema::Storage::Server::ListContext;
  using schema::Storage::Server::OpenContext;
  using schema::Storage::Server::ReadContext;
  using schema::Storage::Server::RemoveContext;
  using schema::Storage::Server::ReplicateContext;
  using schema::Storage::Server::ReplicateOpContext;
  using schema::Storage::Server::SalvageContext;
  using schema::Storage::Server::SeekContext;
  using schema::Storage::Server::StandingsContext;
  using schema::Storage::Server::StatContext;
  using schema::Storage::Server::SyncContext;
  using schema::Storage::Server::TruncateContext;
  using schema::Storage::Server::WaitGrowthContext;
  using schema::Storage::Server::WriteContext;
};

// ops/*.cpp, one group each
kj::Promise<void> opWrite(NodePtr node, SessionPtr session, Server::WriteContext context);
kj::Promise<void> opCopyRange(NodePtr node, SessionPtr session, Server::CopyRangeContext context);
kj::Promise<void> opTruncate(NodePtr node, SessionPtr session, Server::TruncateContext context);
kj::Promise<void> opAllocate(NodePtr node, SessionPtr session, Server::AllocateContext context);
kj::Promise<void> opSync(NodePtr node, SessionPtr session, Server::SyncContext context);
kj::Promise<void> opOpen(NodePtr node, SessionPtr session, Server::OpenContext context);
kj::Promise<void> opClose(NodePtr node, SessionPtr session, Server::CloseContext context);
kj::Promise<void> opRead(NodePtr node, SessionPtr session, Server::ReadContext context);
kj::Promise<void> opStat(NodePtr node, SessionPtr session, Server::StatContext context);
kj::Promise<void> opWaitGrowth(NodePtr node, SessionPtr session, Server::WaitGrowthContext context);
kj::Promise<void> opSeek(NodePtr node, SessionPtr session, Server::SeekContext context);
kj::Promise<void> opReplicate(NodePtr node, SessionPtr session, Server::ReplicateContext context);
kj::Promise<void> opReplicateOp(NodePtr node, SessionPtr session, Server::ReplicateOpContext context);
kj::Promise<void> opAdopt(NodePtr node, SessionPtr session, Server::AdoptContext context);
kj::Promise<void> opHandOver(NodePtr node, SessionPtr session, Server::HandOverContext context);
kj::Promise<void> opStandings(NodePtr node, Server::StandingsContext context);
kj::Promise<void> opSalvage(NodePtr node, Server::SalvageContext context);
kj::Promise<void> opFetch(NodePtr node, SessionPtr session, Server::FetchContext context);
kj::Promise<void> opChecksums(NodePtr node, SessionPtr session, Server::ChecksumsContext context);
kj::Promise<void> opRemove(NodePtr node, SessionPtr session, Server::RemoveContext context);
kj::Promise<void> opList(NodePtr node, SessionPtr session, Server::ListContext context);
kj::Promise<void> opInspect(NodePtr node, SessionPtr session, Server::InspectContext context);
kj::Promise<void> opCatchUp(NodePtr node, SessionPtr session, Server::CatchUpContext context);

}  // namespace vcfs::storage
