// read, stat, waitGrowth, seek.
#include "storage/ops/calls.h"

namespace vcfs::storage {

using namespace std::chrono_literals;

namespace {

// Large answers leave as they lie in the buffer; small ones are copied into the message.
constexpr std::size_t kCopyBelow = 4096;

void answerBytes(SessionPtr session, Server::ReadContext& context, std::shared_ptr<rpc::Buffer> buffer,
                 std::size_t size) {
  auto results = context.getResults();
  const auto connection = session->connection.lock();
  if (size < kCopyBelow || !connection) {
    results.setData(capnp::Data::Reader(reinterpret_cast<const capnp::byte*>(buffer->data()), size));
    return;
  }
  results.adoptData(rpc::reference(results, buffer->data(), size));
  const void* at = buffer->data();
  connection->link().hold(at, std::move(buffer));
}

// While the disk was busy this replica may have been lost, and be under repair: what was read then is not the file.
Task<void> readFromDisk(NodePtr node, SessionPtr session, FilePtr file, Server::ReadContext context,
                        std::shared_ptr<rpc::Buffer> buffer, std::uint64_t offset, std::size_t length) {
  const Epoch epoch = file->replica.epoch();
  bool read = false;
  try {
    std::shared_ptr<ReplicaFile> disk = file->disk;
    auto job = [disk, buffer, offset, length] { return disk->pread(std::span(buffer->data(), length), offset); };
    auto pending = node->pools.reads->run(std::move(job));
    const std::size_t size = co_await std::move(pending);
    read = true;
    node->requireReadable(file, epoch, false, {});
    node->counters.readBytes += size;
    answerBytes(session, context, std::move(buffer), size);
    node->fillInfo(context.getResults().initInfo(), *file);
  } catch (const Error& error) {
    if (!read && !file->removed) ++node->counters.diskErrors;
    refuse(context, error, file.get());
  }
}

Task<void> waitForGrowth(NodePtr node, FilePtr file, Server::WaitGrowthContext context) {
  auto params = context.getParams();
  const std::uint64_t known = params.getKnownSize();
  const Epoch epoch = file->replica.epoch();
  const TimePoint deadline = node->runtime.clock.now() + std::chrono::milliseconds(params.getTimeoutMs());
  try {
    while (!file->removed && file->replica.isPrimary() && file->replica.epoch() >= epoch && !file->sealed() &&
           file->readableEnd() == known) {
      const Duration left = deadline - node->runtime.clock.now();
      if (left <= 0ns) break;
      co_await file->changed.waitFor(node->runtime.clock, left);
    }
    if (file->removed || !file->replica.isPrimary()) {
      throw Error(Errc::staleEpoch, "this server is not the primary any more");
    }
    node->fillInfo(context.getResults().initInfo(), *file);
  } catch (const Error& error) {
    refuse(context, error, file.get());
  }
}

Task<void> seekOnDisk(NodePtr node, FilePtr file, Server::SeekContext context) {
  auto params = context.getParams();
  const std::uint64_t offset = params.getOffset();
  const bool hole = params.getHole();
  const std::uint64_t end = file->readableEnd();
  const Epoch epoch = file->replica.epoch();
  try {
    std::shared_ptr<ReplicaFile> disk = file->disk;
    auto job = [disk, offset, hole] { return disk->seek(offset, hole); };
    auto pending = node->pools.reads->run(std::move(job));
    const std::optional<std::uint64_t> found = co_await std::move(pending);
    node->requireReadable(file, epoch, false, {});
    if (hole) {
      context.getResults().setOffset(std::min(found.value_or(end), end));
    } else if (found && *found < end) {
      context.getResults().setOffset(*found);
    } else {
      throw Error(Errc::noAttribute, "no data behind that offset");
    }
  } catch (const Error& error) {
    refuse(context, error, file.get());
  }
}

}  // namespace

kj::Promise<void> opRead(NodePtr node, SessionPtr session, Server::ReadContext context) {
  return onFile(node, context, [node, session](FilePtr file, Server::ReadContext& context) -> kj::Promise<void> {
    if (file->settling) return whenSettled(node, session, file, context, &opRead);
    auto params = context.getParams();
    const std::uint64_t offset = params.getOffset();
    limits::checkTransfer(offset, params.getLength());
    node->requireReadable(file, params.getEpoch(), params.hasLayout(), params.getLayout());
    ++node->counters.reads;
    const std::uint64_t end = file->readableEnd();
    const std::size_t length =
        offset >= end ? 0 : static_cast<std::size_t>(std::min<std::uint64_t>(params.getLength(), end - offset));
    if (length == 0 || !file->onDisk) {
      node->fillInfo(context.getResults().initInfo(), *file);
      return kj::READY_NOW;
    }
    auto buffer = rpc::Buffer::allocate(length + 8);
    if (file->disk->tryPread(std::span(buffer->data(), length), offset)) {
      ++node->counters.inlineReads;
      node->counters.readBytes += length;
      answerBytes(session, context, std::move(buffer), length);
      node->fillInfo(context.getResults().initInfo(), *file);
      return kj::READY_NOW;
    }
    return rpc::serve(node->runtime, readFromDisk(node, session, file, context, std::move(buffer), offset, length));
  });
}

kj::Promise<void> opStat(NodePtr node, SessionPtr session, Server::StatContext context) {
  return onFile(node, context, [node](FilePtr file, Server::StatContext& context) -> kj::Promise<void> {
    auto params = context.getParams();
    node->requirePrimary(file, params.getEpoch(), params.hasLayout(), params.getLayout());
    node->fillInfo(context.getResults().initInfo(), *file);
    return kj::READY_NOW;
  });
}

kj::Promise<void> opWaitGrowth(NodePtr node, SessionPtr session, Server::WaitGrowthContext context) {
  return onFile(node, context, [node](FilePtr file, Server::WaitGrowthContext& context) -> kj::Promise<void> {
    auto params = context.getParams();
    if (params.getTimeoutMs() > limits::kMaxWaitMs) {
      throw Error(Errc::invalid, fmt::format("timeoutMs {}: at most {}", params.getTimeoutMs(), limits::kMaxWaitMs));
    }
    node->requirePrimary(file, params.getEpoch(), params.hasLayout(), params.getLayout());
    return rpc::serve(node->runtime, waitForGrowth(node, file, context));
  });
}

kj::Promise<void> opSeek(NodePtr node, SessionPtr session, Server::SeekContext context) {
  return onFile(node, context, [node](FilePtr file, Server::SeekContext& context) -> kj::Promise<void> {
    auto params = context.getParams();
    limits::checkExtent(params.getOffset(), 0);
    node->requireReadable(file, params.getEpoch(), params.hasLayout(), params.getLayout());
    if (params.getOffset() >= file->readableEnd() || !file->onDisk) {
      throw Error(Errc::noAttribute, "the offset is at or behind the end");
    }
    return rpc::serve(node->runtime, seekOnDisk(node, file, context));
  });
}

}  // namespace vcfs::storage
