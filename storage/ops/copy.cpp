// copyRange: a write whose bytes come from another file, or from another place of the same one.
#include "storage/ops/calls.h"

namespace vcfs::storage {

namespace {

// What is needed from the request after it was let in.
struct Copy {
  InodeId inode = 0;
  Epoch epoch = 0;
  ClientId client = 0;
  std::uint64_t sequence = 0;
  WriterTime told;
  std::uint64_t offset = 0;
  Layout source;
  bool sourceOpen = false;
  std::uint64_t sourceOffset = 0;
  std::size_t length = 0;
  Bytes bytes;  // what was found there
};
using CopyPtr = std::shared_ptr<Copy>;

CopyPtr toCopy(Server::CopyRangeContext& context, Session& session, std::int64_t nowNs) {
  auto params = context.getParams();
  auto copy = std::make_shared<Copy>();
  copy->inode = params.getInode();
  copy->epoch = params.getEpoch();
  copy->client = params.getWriter().getClient();
  copy->sequence = params.getWriter().getSequence();
  copy->told = timeOf(session, params.getWriter(), nowNs);
  copy->offset = params.getOffset();
  copy->length = params.getLength();
  copy->sourceOffset = params.getSourceOffset();
  copy->sourceOpen = params.getSourceOpen();
  limits::checkWriter(copy->client, copy->sequence);
  limits::checkTransfer(copy->offset, copy->length);
  limits::checkTransfer(copy->sourceOffset, copy->length);
  const auto source = params.getSource();
  limits::checkFile(source.getInode(), source.getEpoch());
  copy->source = limits::toLayout(source, source.getInode(), source.getEpoch());
  return copy;
}

const Replica* sourceReplica(const Copy& copy, StorageId self) {
  const Replica* primary = copy.source.primary();
  if (copy.sourceOpen || primary == nullptr) return primary;
  for (const Replica& replica : copy.source.replicas) {
    if (replica.storage == self && replica.state == ReplicaState::inSync) return &replica;
  }
  return primary;
}

Task<FilePtr> enterFile(NodePtr node, InodeId inode) {
  auto found = std::make_shared<FilePtr>();
  auto take = [found](FilePtr file) -> kj::Promise<void> {
    *found = std::move(file);
    return kj::READY_NOW;
  };
  kj::Promise<bool> entered = node->enter(inode, kj::mv(take)).then([]() { return true; });
  const Duration limit = std::chrono::seconds(5);
  co_await rpc::await<bool>(node->runtime, kj::mv(entered), limit);
  co_return *found;
}

// From this server's own replica.
Task<void> readHere(NodePtr node, CopyPtr copy) {
  FilePtr file = co_await enterFile(node, copy->source.inode);
  if (file->broken) throw *file->broken;
  if (file->replica.epoch() < copy->source.epoch || !file->replica.knowsLayout()) node->adopt(file, copy->source);
  node->requireReadable(file, copy->source.epoch, false, {});
  if (file->settling) throw Error(Errc::notInSync, "the source has just changed its primary");
  const std::uint64_t end = file->readableEnd();
  if (copy->sourceOffset >= end || !file->onDisk) co_return;
  const std::size_t length = std::min<std::uint64_t>(copy->length, end - copy->sourceOffset);
  const Epoch epoch = file->replica.epoch();
  auto buffer = rpc::Buffer::allocate(length + 8);
  std::size_t size = length;
  if (!file->disk->tryPread(std::span(buffer->data(), length), copy->sourceOffset)) {
    auto job = [disk = file->disk, buffer, offset = copy->sourceOffset, length] {
      return disk->pread(std::span(buffer->data(), length), offset);
    };
    auto pending = node->pools.reads->run(std::move(job));
    size = co_await std::move(pending);
    node->requireReadable(file, epoch, false, {});  // it may have been lost meanwhile, and be under repair
  }
  copy->bytes.data = std::span<const std::byte>(buffer->data(), size);
  copy->bytes.keep = std::move(buffer);
}

// From another server, as a client reads.
Task<void> readThere(NodePtr node, CopyPtr copy, std::string address, StorageId storage) {
  auto session = co_await node->peers->session(std::move(address), storage);
  auto request = session->client.readRequest();
  request.setInode(copy->source.inode);
  request.setEpoch(copy->source.epoch);
  request.setOffset(copy->sourceOffset);
  request.setLength(static_cast<std::uint32_t>(copy->length));
  schema::fill(request.initLayout(), copy->source);
  auto promise = request.send();
  auto answer = co_await rpc::call(node->runtime, kj::mv(promise), Duration(node->options.replicaLimit));
  schema::check(answer.getStatus());
  copy->bytes = keepBytes(answer.getData());
}

// Whatever is wrong with the source, the caller can still read it by itself.
Task<void> readSource(NodePtr node, CopyPtr copy) {
  std::string failure;
  try {
    const Replica* replica = sourceReplica(*copy, node->self());
    if (replica == nullptr) throw Error(Errc::notInSync, "no replica of the source is in sync");
    const StorageId storage = replica->storage;
    std::string address = replica->address;
    Task<void> work =
        storage == node->self() ? readHere(node, copy) : readThere(node, copy, std::move(address), storage);
    co_await std::move(work);
    co_return;
  } catch (const Error& error) {
    failure = error.what();
  }
  throw Error(Errc::notSupported, "the source cannot be read from here: " + failure);
}

Task<void> readOrRefuse(NodePtr node, CopyPtr copy, std::shared_ptr<std::optional<Error>> failure) {
  try {
    co_await readSource(node, copy);
  } catch (const Error& error) {
    *failure = error;
  }
}

kj::Promise<void> answerRepeat(NodePtr node, FilePtr file, Server::CopyRangeContext context, const Copy& copy) {
  ++node->counters.repeats;
  node->writerRepeats(*file, copy.client);
  auto results = context.getResults();
  results.setCopied(static_cast<std::uint32_t>(copy.length));
  if (OpPtr original = node->findPending(*file, copy.client, copy.sequence)) {
    results.setCopied(static_cast<std::uint32_t>(original->mutation.data.size()));
    return answerInfo(node, file, context, original);
  }
  node->fillInfo(results.initInfo(), *file);
  return kj::READY_NOW;
}

// The bytes are here: from now on it is a write like any other.
kj::Promise<void> write(NodePtr node, FilePtr file, Server::CopyRangeContext context, CopyPtr copy) {
  node->requireOrdering(file, copy->epoch, false, {});
  if (file->sequences.executed(copy->client, copy->sequence)) return answerRepeat(node, file, context, *copy);
  node->writerSeen(*file, copy->client);
  if (copy->bytes.data.empty()) {
    node->fillInfo(context.getResults().initInfo(), *file);
    return kj::READY_NOW;
  }
  Mutation mutation;
  mutation.client = copy->client;
  mutation.sequence = copy->sequence;
  mutation.told = copy->told;
  mutation.offset = copy->offset;
  mutation.data = copy->bytes.data;
  ++node->counters.copied;
  node->counters.copiedBytes += mutation.data.size();
  context.getResults().setCopied(static_cast<std::uint32_t>(mutation.data.size()));
  return answerInfo(node, file, context, node->begin(file, mutation, std::move(copy->bytes.keep)));
}

}  // namespace

kj::Promise<void> opCopyRange(NodePtr node, SessionPtr session, Server::CopyRangeContext context) {
  return onFile(node, context, [node, session](FilePtr file, Server::CopyRangeContext& context) -> kj::Promise<void> {
    auto params = context.getParams();
    CopyPtr copy = toCopy(context, *session, node->runtime.clock.wallNs());
    node->requireOrdering(file, params.getEpoch(), params.hasLayout(), params.getLayout());
    if (file->settling) return whenSettled(node, session, file, context, &opCopyRange);
    if (file->sequences.executed(copy->client, copy->sequence)) return answerRepeat(node, file, context, *copy);
    auto failure = std::make_shared<std::optional<Error>>();
    auto reading = rpc::serve(node->runtime, readOrRefuse(node, copy, failure));
    return reading.then([node, file, context, copy, failure]() mutable -> kj::Promise<void> {
      try {
        if (*failure) throw **failure;
        return write(node, file, context, copy);
      } catch (const Error& error) {
        refuse(context, error, file.get());
        return kj::READY_NOW;
      }
    });
  });
}

}  // namespace vcfs::storage
