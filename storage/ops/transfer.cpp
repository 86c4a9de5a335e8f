// fetch, checksums, catchUp: how a replica is made equal to another.
#include "storage/ops/calls.h"
#include "storage/store/block_sums.h"

namespace vcfs::storage {

namespace {

constexpr std::uint32_t kMinBlock = 4096;
constexpr std::uint32_t kMaxBlock = 1u << 20;
constexpr std::uint32_t kMaxBlocks = 1024;

// What was put in order before this call is part of the answer.
Task<void> settled(NodePtr node, FilePtr file) {
  kj::Promise<void> idle = node->localBarrier(*file);
  const Duration limit = node->options.syncLimit;
  co_await rpc::await<void>(node->runtime, kj::mv(idle), limit);
}

Task<void> fetch(NodePtr node, SessionPtr session, FilePtr file, Server::FetchContext context) {
  auto params = context.getParams();
  const std::uint64_t offset = params.getOffset();
  const std::uint32_t length = params.getLength();
  try {
    co_await settled(node, file);
    auto buffer = rpc::Buffer::allocate(length + 8);
    std::shared_ptr<ReplicaFile> disk = file->disk;
    auto job = [disk, buffer, offset, length] { return disk->preadInSteps(std::span(buffer->data(), length), offset); };
    auto pending = node->pools.reads->runQuiet(std::move(job));
    const std::size_t size = co_await std::move(pending);
    auto results = context.getResults();
    results.setSize(file->localEnd);
    const auto connection = session->connection.lock();
    if (connection && size != 0) {
      results.adoptData(rpc::reference(results, buffer->data(), size));
      const void* at = buffer->data();
      connection->link().hold(at, std::move(buffer));
    }
  } catch (const Error& error) {
    refuse(context, error, file.get());
  }
}

Task<void> checksums(NodePtr node, FilePtr file, Server::ChecksumsContext context) {
  auto params = context.getParams();
  const std::uint64_t offset = params.getOffset();
  const std::uint32_t blockSize = params.getBlockSize();
  const std::uint32_t blocks = params.getBlocks();
  try {
    co_await settled(node, file);
    std::shared_ptr<ReplicaFile> disk = file->disk;
    auto job = [disk, offset, blockSize, blocks] {
      std::vector<std::uint32_t> sums;
      appendBlockSums(*disk, offset, blockSize, blocks, sums);
      return sums;
    };
    auto pending = node->pools.reads->runQuiet(std::move(job));
    const std::vector<std::uint32_t> sums = co_await std::move(pending);
    auto list = context.getResults().initCrc32c(static_cast<unsigned>(sums.size()));
    for (unsigned i = 0; i < sums.size(); ++i) list.set(i, sums[i]);
    context.getResults().setSize(file->localEnd);
  } catch (const Error& error) {
    refuse(context, error, file.get());
  }
}

}  // namespace

kj::Promise<void> opFetch(NodePtr node, SessionPtr session, Server::FetchContext context) {
  auto params = context.getParams();
  try {
    limits::checkInode(params.getInode());
    limits::checkTransfer(params.getOffset(), params.getLength());
  } catch (const Error& error) {
    refuse(context, error);
    return kj::READY_NOW;
  }
  return node->enter(params.getInode(), [node, session, context](FilePtr file) mutable -> kj::Promise<void> {
    if (refuseRemoved(context, *file)) return kj::READY_NOW;
    if (file->broken) {
      refuse(context, *file->broken);
      return kj::READY_NOW;
    }
    if (!file->onDisk) return kj::READY_NOW;  // an empty answer, size 0
    return rpc::serve(node->runtime, fetch(node, session, file, context));
  });
}

kj::Promise<void> opChecksums(NodePtr node, SessionPtr session, Server::ChecksumsContext context) {
  auto params = context.getParams();
  try {
    limits::checkInode(params.getInode());
    const std::uint32_t size = params.getBlockSize();
    if (size < kMinBlock || size > kMaxBlock) {
      throw Error(Errc::invalid, fmt::format("blockSize {}: {} … {}", size, kMinBlock, kMaxBlock));
    }
    if (params.getBlocks() > kMaxBlocks) {
      throw Error(Errc::invalid, fmt::format("{} blocks: at most {}", params.getBlocks(), kMaxBlocks));
    }
    limits::checkExtent(params.getOffset(), 0);
  } catch (const Error& error) {
    refuse(context, error);
    return kj::READY_NOW;
  }
  return node->enter(params.getInode(), [node, context](FilePtr file) mutable -> kj::Promise<void> {
    if (refuseRemoved(context, *file)) return kj::READY_NOW;
    if (file->broken) {
      refuse(context, *file->broken);
      return kj::READY_NOW;
    }
    if (!file->onDisk) return kj::READY_NOW;
    return rpc::serve(node->runtime, checksums(node, file, context));
  });
}

kj::Promise<void> opCatchUp(NodePtr node, SessionPtr session, Server::CatchUpContext context) {
  Layout layout;
  try {
    auto reader = context.getParams().getLayout();
    limits::checkFile(reader.getInode(), reader.getEpoch());
    layout = limits::toLayout(reader, reader.getInode(), reader.getEpoch());
    if (roleOf(layout, node->self()) != Role::syncing) {
      throw Error(Errc::invalid, "this server's replica is not syncing in that layout");
    }
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
    node->startCatchUp(file);
    return kj::READY_NOW;
  });
}

}  // namespace vcfs::storage
