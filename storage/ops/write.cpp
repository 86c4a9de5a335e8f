// write, truncate, allocate, sync, open, close: what a client asks of the primary.
#include "storage/core/planted.h"
#include "storage/ops/calls.h"

#include <cstring>

namespace vcfs::storage {

namespace {

struct CopiedBytes {
  std::vector<std::byte> bytes;
};

// A call that was executed before: answered when its original is.
template <class Context>
kj::Promise<void> answerRepeat(NodePtr node, FilePtr file, Context context, ClientId client, std::uint64_t sequence) {
  ++node->counters.repeats;
  node->writerRepeats(*file, client);
  if (OpPtr original = node->findPending(*file, client, sequence)) return answerInfo(node, file, context, original);
  node->fillInfo(context.getResults().initInfo(), *file);
  return kj::READY_NOW;
}

// A sync of which no client knows: it is no call of its own.
OpPtr beginSync(const NodePtr& node, const FilePtr& file) {
  Mutation sync;
  sync.kind = Mutation::Kind::sync;
  return node->begin(file, sync, nullptr);
}

// Calls of a client are executed in its order: what follows one that was refused has to wait until that is repeated.
void requireTurn(const File& file, schema::Writer::Reader writer) {
  if (file.sequences.follows(writer.getClient(), writer.getFirst(), writer.getSequence())) return;
  throw Error(Errc::unavailable, "an earlier call of this client is to be repeated first");
}

// The client has closed the file. The last writer's close seals every in-sync replica, each in its order; the answer
// means that all did. The final size is known when everything before it is decided.
template <class Context>
kj::Promise<void> closeFile(NodePtr node, FilePtr file, Context context) {
  try {
    auto params = context.getParams();
    const ClientId client = params.getWriter().getClient();
    node->requireOrdering(file, params.getEpoch(), params.hasLayout(), params.getLayout());
    const bool last = node->writerLeaves(file, client);
    if (last && !(file->sealed() && file->onDisk)) {
      if (OpPtr before = file->undecided()) {
        node->sealLater(*file);  // whatever becomes of this call
        return before->wait().then([node, file, context]() mutable { return closeFile(node, file, context); });
      }
      Mutation seal = node->sealMutation(*file, node->sealState(*file));
      seal.client = client;
      seal.sequence = params.getWriter().getSequence();
      return answerInfo(node, file, context, node->begin(file, seal, nullptr));
    }
    // This client's bytes are safe when what was ordered so far is.
    if (!file->pending.empty()) return answerInfo(node, file, context, file->pending.rbegin()->second);
    node->fillInfo(context.getResults().initInfo(), *file);
  } catch (const Error& error) {
    refuse(context, error, file.get());
  }
  return kj::READY_NOW;
}

}  // namespace

Bytes keepBytes(capnp::Data::Reader data) {
  Bytes kept;
  const auto* begin = reinterpret_cast<const std::byte*>(data.begin());
  if (data.size() == 0) return kept;
  if (auto owner = rpc::ownerOf(begin)) {
    kept.data = std::span(begin, data.size());
    kept.keep = std::const_pointer_cast<void>(std::move(owner));
    return kept;
  }
  auto copy = std::make_shared<CopiedBytes>();
  copy->bytes.assign(begin, begin + data.size());
  kept.data = copy->bytes;
  kept.keep = std::move(copy);
  return kept;
}

WriterTime timeOf(Session& session, schema::Writer::Reader writer, std::int64_t nowNs) {
  constexpr std::int64_t kMinuteNs = 60'000'000'000;
  WriterTime told{writer.getWrittenNs(), writer.getSentNs()};
  if (told.sentNs <= 0) return told;
  const std::int64_t behind = std::max<std::int64_t>(nowNs - told.sentNs, 0);
  const bool old = nowNs < session.leastSinceNs || nowNs - session.leastSinceNs > kMinuteNs;
  if (old || behind <= session.leastBehindNs) {
    session.leastBehindNs = behind;
    session.leastSinceNs = nowNs;
  }
  told.sentNs = std::max(told.sentNs, nowNs - session.leastBehindNs);
  return told;
}

kj::Promise<void> opWrite(NodePtr node, SessionPtr session, Server::WriteContext context) {
  return onFile(node, context, [node, session](FilePtr file, Server::WriteContext& context) -> kj::Promise<void> {
    auto params = context.getParams();
    const ClientId client = params.getWriter().getClient();
    const std::uint64_t sequence = params.getWriter().getSequence();
    const std::uint16_t flags = params.getFlags();
    const bool append = (flags & schema::WRITE_FLAG_APPEND) != 0;
    limits::checkWriter(client, sequence);
    limits::checkWriteFlags(flags);
    limits::checkTransfer(append ? 0 : params.getOffset(), params.getData().size());
    node->requireOrdering(file, params.getEpoch(), params.hasLayout(), params.getLayout());
    if (file->settling) return whenSettled(node, session, file, context, &opWrite);

    if (file->sequences.executed(client, sequence)) {
      context.getResults().setOffset(params.getOffset());
      if (OpPtr original = node->findPending(*file, client, sequence)) {
        context.getResults().setOffset(original->mutation.offset);
      }
      // After a failover: the bytes are here, but closing and syncing concern all replicas and are done again.
      if ((flags & schema::WRITE_FLAG_CLOSE) != 0 && node->leases().holds(client, file->inode)) {
        return closeFile(node, file, context);
      }
      if ((flags & schema::WRITE_FLAG_SYNC) != 0 && file->onDisk) {
        node->writerRepeats(*file, client);
        return answerInfo(node, file, context, beginSync(node, file));
      }
      return answerRepeat(node, file, context, client, sequence);
    }
    if (planted(Bug::dropReplayedWrite) && file->onDisk && file->acks.untouched()) {
      return answerRepeat(node, file, context, client, sequence);
    }
    requireTurn(*file, params.getWriter());
    Mutation mutation;
    mutation.client = client;
    mutation.sequence = sequence;
    mutation.first = params.getWriter().getFirst();
    mutation.told = timeOf(*session, params.getWriter(), node->runtime.clock.wallNs());
    mutation.offset = append ? file->acks.orderedEnd() : params.getOffset();
    if (append) limits::checkTransfer(mutation.offset, params.getData().size());
    const bool syncs = (flags & schema::WRITE_FLAG_SYNC) != 0;
    // Here no sync succeeds any more. What is written is taken all the same, so the two are told apart.
    const bool syncsApart = syncs && file->unstable();
    mutation.thenSync = syncs && !syncsApart;
    // Sealed in the same turn when nothing before it can change the final size any more and nobody else writes it.
    const bool closes = (flags & schema::WRITE_FLAG_CLOSE) != 0;
    if (closes && !file->undecided() && !node->othersWrite(*file, client)) {
      mutation.thenSeal = node->writerGone(*file, client);
      mutation.sealAs = node->sealState(*file);
    } else {
      node->writerSeen(*file, client);
    }
    Bytes bytes = keepBytes(params.getData());
    mutation.data = bytes.data;
    context.getResults().setOffset(mutation.offset);
    OpPtr op = node->begin(file, mutation, std::move(bytes.keep));
    if (syncsApart) {
      OpPtr synced = beginSync(node, file);
      const bool leaves = closes && !mutation.thenSeal;
      return op->wait().then([node, file, context, op, synced, leaves]() mutable -> kj::Promise<void> {
        if (leaves) node->writerLeavesFailed(file, op->mutation.client);
        if (!op->error) return answerInfo(node, file, context, synced);
        refuse(context, *op->error, file.get());
        return kj::READY_NOW;
      });
    }
    if (!closes || mutation.thenSeal) return answerInfo(node, file, context, op);
    return op->wait().then([node, file, context, op]() mutable -> kj::Promise<void> {
      if (!op->error) return closeFile(node, file, context);
      node->writerLeavesFailed(file, op->mutation.client);
      refuse(context, *op->error, file.get());
      return kj::READY_NOW;
    });
  });
}

kj::Promise<void> opTruncate(NodePtr node, SessionPtr session, Server::TruncateContext context) {
  return onFile(node, context, [node, session](FilePtr file, Server::TruncateContext& context) -> kj::Promise<void> {
    auto params = context.getParams();
    const ClientId client = params.getWriter().getClient();
    const std::uint64_t sequence = params.getWriter().getSequence();
    limits::checkWriter(client, sequence);
    limits::checkExtent(params.getSize(), 0);
    node->requireOrdering(file, params.getEpoch(), params.hasLayout(), params.getLayout());
    if (file->settling) return whenSettled(node, session, file, context, &opTruncate);
    if (file->sequences.executed(client, sequence)) return answerRepeat(node, file, context, client, sequence);
    requireTurn(*file, params.getWriter());
    Mutation mutation;
    mutation.kind = Mutation::Kind::truncate;
    mutation.client = client;
    mutation.sequence = sequence;
    mutation.told = timeOf(*session, params.getWriter(), node->runtime.clock.wallNs());
    mutation.size = params.getSize();
    node->writerSeen(*file, client);
    return answerInfo(node, file, context, node->begin(file, mutation, nullptr));
  });
}

kj::Promise<void> opAllocate(NodePtr node, SessionPtr session, Server::AllocateContext context) {
  return onFile(node, context, [node, session](FilePtr file, Server::AllocateContext& context) -> kj::Promise<void> {
    auto params = context.getParams();
    const ClientId client = params.getWriter().getClient();
    const std::uint64_t sequence = params.getWriter().getSequence();
    limits::checkWriter(client, sequence);
    limits::checkAllocateMode(params.getMode(), params.getLength());
    limits::checkExtent(params.getOffset(), params.getLength());
    node->requireOrdering(file, params.getEpoch(), params.hasLayout(), params.getLayout());
    if (file->settling) return whenSettled(node, session, file, context, &opAllocate);
    if (file->sequences.executed(client, sequence)) return answerRepeat(node, file, context, client, sequence);
    requireTurn(*file, params.getWriter());
    Mutation mutation;
    mutation.kind = Mutation::Kind::allocate;
    mutation.client = client;
    mutation.sequence = sequence;
    mutation.told = timeOf(*session, params.getWriter(), node->runtime.clock.wallNs());
    mutation.offset = params.getOffset();
    mutation.size = params.getLength();
    mutation.mode = params.getMode();
    node->writerSeen(*file, client);
    return answerInfo(node, file, context, node->begin(file, mutation, nullptr));
  });
}

kj::Promise<void> opSync(NodePtr node, SessionPtr session, Server::SyncContext context) {
  return onFile(node, context, [node](FilePtr file, Server::SyncContext& context) -> kj::Promise<void> {
    auto params = context.getParams();
    limits::checkWriter(params.getWriter().getClient(), params.getWriter().getSequence());
    node->requireOrdering(file, params.getEpoch(), params.hasLayout(), params.getLayout());
    requireTurn(*file, params.getWriter());
    node->clientAlive(params.getWriter().getClient());
    node->writerRepeats(*file, params.getWriter().getClient());
    // A repeat is executed again: it does no harm, and the first may have failed half-way.
    Mutation mutation;
    mutation.kind = Mutation::Kind::sync;
    mutation.client = params.getWriter().getClient();
    mutation.sequence = params.getWriter().getSequence();
    return answerInfo(node, file, context, node->begin(file, mutation, nullptr));
  });
}

kj::Promise<void> opOpen(NodePtr node, SessionPtr session, Server::OpenContext context) {
  return onFile(node, context, [node](FilePtr file, Server::OpenContext& context) -> kj::Promise<void> {
    auto params = context.getParams();
    if (params.getClient() == 0) throw Error(Errc::invalid, "client is 0");
    node->requireOrdering(file, params.getEpoch(), params.hasLayout(), params.getLayout());
    node->writerSeen(*file, params.getClient());
    // A file that has nothing on the disk is made by its first write; one that is open needs no telling, but for a
    // client of whom others believe that it has closed it.
    if (!file->onDisk || !(file->sealed() || file->sequences.hasLeft(params.getClient()))) {
      node->fillInfo(context.getResults().initInfo(), *file);
      return node->reportArrived(file->inode);
    }
    Mutation mutation;
    mutation.kind = Mutation::Kind::open;
    mutation.client = params.getClient();
    const InodeId inode = file->inode;
    auto answer = answerInfo(node, file, context, node->begin(file, mutation, nullptr));
    // A closing that is being told to a tracker arrives before the caller goes there to say that the file is open.
    return answer.then([node, inode]() { return node->reportArrived(inode); });
  });
}

kj::Promise<void> opClose(NodePtr node, SessionPtr session, Server::CloseContext context) {
  return onFile(node, context, [node](FilePtr file, Server::CloseContext& context) -> kj::Promise<void> {
    auto params = context.getParams();
    limits::checkWriter(params.getWriter().getClient(), params.getWriter().getSequence());
    return closeFile(node, file, context);
  });
}

}  // namespace vcfs::storage
