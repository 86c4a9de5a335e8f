// replicate, replicateOp, adopt: what a primary and the trackers tell this replica.
#include "storage/ops/calls.h"

namespace vcfs::storage {

namespace {

// Whose operations this replica executes: while that connection lives it may not be cut behind its primary's back. One
// that was cut lacks what its primary believes it to have: until that begins anew with it, nothing may come behind.
void requireUncut(const Node& node, File& file, const SessionPtr& session) {
  if (file.replica.role() != Role::syncing) return;
  if (file.cutAt) throw Error(Errc::notInSync, "this replica was cut meanwhile");
  session->heard = node.runtime.clock.now();
  file.joinedOver = session;
}

// What is refused to a replica in sync, and comes in a later epoch behind it, leaves a gap.
void admit(Node& node, const FilePtr& file, Epoch epoch, bool hasLayout, schema::Layout::Reader layout) {
  try {
    node.admitReplication(file, epoch, hasLayout, layout);
  } catch (const Error&) {
    if (file->replica.role() == Role::follower) file->lacks = true;
    throw;
  }
}

// Sealing cuts what failed operations left behind the end; bytes that are missing are another matter.
void requireWhole(const File& file, const Mutation& mutation) {
  if (!mutation.seals() || file.replica.role() == Role::syncing) return;
  const std::uint64_t end = mutation.sizeAfter(file.localEnd);
  if (end >= mutation.size) return;
  throw Error(Errc::corrupted, fmt::format("sealed at {} bytes, this replica has {}", mutation.size, end));
}

// A follower's part: execute in the order of arrival, answer when it is on this disk. What the primary sends is
// executed always: the primary has sorted out repeats, and its order is the only one.
template <class Context>
kj::Promise<void> executeHere(NodePtr node, FilePtr file, Context context, const Mutation& mutation,
                              std::shared_ptr<void> keep) {
  node->noteClient(*file, mutation);
  ++file->replicatedOps;
  if (mutation.changesBytes()) {
    ++node->counters.replicated;
    node->counters.replicatedBytes += mutation.data.size();
  }
  struct Outcome {
    bool done = false;
    std::optional<Error> error;
    kj::Own<kj::PromiseFulfiller<void>> fulfiller;
    std::shared_ptr<void> keep;
  };
  auto outcome = std::make_shared<Outcome>();
  outcome->keep = std::move(keep);
  const bool seals = mutation.seals(), changes = mutation.changesBytes();
  const FileState sealAs = mutation.sealAs;
  const ClientId client = mutation.client;
  const std::uint64_t sequence = mutation.sequence;
  node->applyLocal(file, mutation,
                   [node, file, outcome, seals, changes, sealAs, client, sequence](std::optional<Error> error) {
                     outcome->done = true;
                     if (!error && seals && file->meta.state == sealAs) node->followerSealed(*file, sealAs);
                     if (error && changes) file->lacks = true;
                     if (error) node->followerFailed(file, client, sequence, *error);
                     outcome->error = std::move(error);
                     if (outcome->fulfiller) outcome->fulfiller->fulfill();
                   });
  auto answer = [file, outcome, context]() mutable {
    if (!outcome->error) return;
    // Of a replica that was removed meanwhile the disk says that it is not there.
    refuse(context, file->removed ? removedFollower() : *outcome->error, file.get());
  };
  if (outcome->done) {
    answer();
    return kj::READY_NOW;
  }
  auto pair = kj::newPromiseAndFulfiller<void>();
  outcome->fulfiller = kj::mv(pair.fulfiller);
  return pair.promise.then(kj::mv(answer));
}

Mutation toMutation(schema::ReplicaOp::Reader op) {
  Mutation mutation;
  switch (op.which()) {
    case schema::ReplicaOp::TRUNCATE:
      mutation.kind = Mutation::Kind::truncate;
      mutation.size = op.getTruncate();
      limits::checkExtent(mutation.size, 0);
      break;
    case schema::ReplicaOp::ALLOCATE: {
      auto allocate = op.getAllocate();
      mutation.kind = Mutation::Kind::allocate;
      mutation.offset = allocate.getOffset();
      mutation.size = allocate.getLength();
      mutation.mode = allocate.getMode();
      limits::checkAllocateMode(mutation.mode, mutation.size);
      limits::checkExtent(mutation.offset, mutation.size);
      break;
    }
    case schema::ReplicaOp::SYNC:
      mutation.kind = Mutation::Kind::sync;
      break;
    case schema::ReplicaOp::SEAL: {
      auto seal = op.getSeal();
      mutation.kind = Mutation::Kind::seal;
      mutation.size = seal.getSize();
      mutation.mtimeNs = seal.getMtimeNs();
      mutation.sealAs = seal.getState() == schema::FileState::RECOVERED ? FileState::recovered : FileState::closed;
      limits::checkExtent(mutation.size, 0);
      break;
    }
    case schema::ReplicaOp::OPEN:
      mutation.kind = Mutation::Kind::open;
      break;
    case schema::ReplicaOp::LEFT:
      mutation.kind = Mutation::Kind::left;
      break;
    case schema::ReplicaOp::CLIENTS:
      mutation.kind = Mutation::Kind::clients;
      break;
    default:
      throw Error(Errc::notSupported, "an operation of a later version");
  }
  return mutation;
}

std::vector<SequenceTable::Record> toRecords(capnp::List<schema::ClientRecord>::Reader list) {
  std::vector<SequenceTable::Record> records;
  for (auto one : list) {
    SequenceTable::Record record;
    record.client = one.getClient();
    record.last = one.getLast();
    for (std::uint64_t sequence : one.getFailed()) record.failed.push_back(sequence);
    record.left = one.getLeft();
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace

kj::Promise<void> opReplicate(NodePtr node, SessionPtr session, Server::ReplicateContext context) {
  return onFile(node, context, [node, session](FilePtr file, Server::ReplicateContext& context) -> kj::Promise<void> {
    auto params = context.getParams();
    limits::checkTransfer(params.getOffset(), params.getData().size());
    limits::checkWriteFlags(params.getFlags());
    admit(*node, file, params.getEpoch(), params.hasLayout(), params.getLayout());
    requireUncut(*node, *file, session);
    node->learnPowerLoss(*file, params.getPowerLoss());
    Mutation mutation;
    mutation.client = params.getWriter().getClient();
    mutation.sequence = params.getWriter().getSequence();
    mutation.first = params.getWriter().getFirst();
    mutation.mtimeNs = params.getWriter().getWrittenNs();
    mutation.offset = params.getOffset();
    mutation.thenSync = (params.getFlags() & schema::WRITE_FLAG_SYNC) != 0;
    mutation.thenSeal = (params.getFlags() & schema::WRITE_FLAG_CLOSE) != 0;
    Bytes bytes = keepBytes(params.getData());
    mutation.data = bytes.data;
    if (mutation.thenSeal) mutation.size = mutation.sizeAfter(params.getPublished());
    requireWhole(*file, mutation);
    return executeHere(node, file, context, mutation, std::move(bytes.keep));
  });
}

kj::Promise<void> opReplicateOp(NodePtr node, SessionPtr session, Server::ReplicateOpContext context) {
  return onFile(node, context, [node, session](FilePtr file, Server::ReplicateOpContext& context) -> kj::Promise<void> {
    auto params = context.getParams();
    Mutation mutation = toMutation(params.getOp());
    mutation.client = params.getWriter().getClient();
    mutation.sequence = params.getWriter().getSequence();
    if (mutation.changesBytes()) mutation.mtimeNs = params.getWriter().getWrittenNs();
    admit(*node, file, params.getEpoch(), params.hasLayout(), params.getLayout());
    node->learnPowerLoss(*file, params.getPowerLoss());
    // A primary asks a replica that joins whether it is there; nothing is to be done.
    const bool probe = mutation.kind == Mutation::Kind::open && mutation.client == 0;
    if (probe) {
      node->beginsToJoin(*file);
      ++file->probes;
      return kj::READY_NOW;
    }
    requireUncut(*node, *file, session);
    if (mutation.kind == Mutation::Kind::clients) {
      file->sequences.replace(toRecords(params.getOp().getClients()));
      file->clientsOf = file->probes;
      return kj::READY_NOW;
    }
    requireWhole(*file, mutation);
    return executeHere(node, file, context, mutation, nullptr);
  });
}

kj::Promise<void> opAdopt(NodePtr node, SessionPtr session, Server::AdoptContext context) {
  Layout layout;
  try {
    auto reader = context.getParams().getLayout();
    limits::checkFile(reader.getInode(), reader.getEpoch());
    layout = limits::toLayout(reader, reader.getInode(), reader.getEpoch());
    node->requireRegistered();
  } catch (const Error& error) {
    refuse(context, error);
    return kj::READY_NOW;
  }
  const InodeId inode = layout.inode;
  return node->enter(inode, [node, context, layout](FilePtr file) mutable -> kj::Promise<void> {
    if (refuseRemoved(context, *file)) return kj::READY_NOW;
    if (layout.epoch < file->replica.epoch()) {
      refuse(context, Error(Errc::staleEpoch, "a newer epoch is known"), file.get());
      return kj::READY_NOW;
    }
    node->adopt(file, layout);
    node->fillInfo(context.getResults().initInfo(), *file);
    return kj::READY_NOW;
  });
}

}  // namespace vcfs::storage
