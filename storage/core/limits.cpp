#include "storage/core/limits.h"

#include <set>

#include "schema/convert.h"

namespace vcfs::storage::limits {

void checkInode(InodeId inode) {
  if (inode == 0) throw Error(Errc::invalid, "inode 0 names no file");
  if (inode > kMaxInode) throw Error(Errc::invalid, fmt::format("inode {:#x} is outside 1 … 2^62-1", inode));
}

void checkFile(InodeId inode, Epoch epoch) {
  checkInode(inode);
  if (epoch == 0) throw Error(Errc::invalid, "epoch 0: epochs start at 1");
}

void checkWriter(ClientId client, std::uint64_t sequence) {
  if (client == 0) throw Error(Errc::invalid, "writer.client is 0");
  if (sequence == 0) throw Error(Errc::invalid, "writer.sequence is 0: sequences start at 1");
}

void checkTransfer(std::uint64_t offset, std::uint64_t length) {
  if (length > schema::MAX_TRANSFER) {
    throw Error(Errc::invalid, fmt::format("{} bytes in one call; at most {} are allowed", length,
                                           static_cast<std::uint32_t>(schema::MAX_TRANSFER)));
  }
  checkExtent(offset, length);
}

void checkExtent(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t max = schema::MAX_FILE_SIZE;
  if (offset > max || length > max - offset) {
    throw Error(Errc::tooLarge,
                fmt::format("offset {} + length {} is beyond the largest file of {} bytes", offset, length, max));
  }
}

void checkWriteFlags(std::uint16_t flags) {
  const std::uint16_t known = schema::WRITE_FLAG_APPEND | schema::WRITE_FLAG_CLOSE | schema::WRITE_FLAG_SYNC;
  if ((flags & ~known) != 0) throw Error(Errc::invalid, fmt::format("unknown write flags {:#x}", flags & ~known));
}

void checkAllocateMode(std::uint32_t mode, std::uint64_t length) {
  if (mode != 0 && mode != 1 && mode != 3 && mode != 16 && mode != 17) {
    throw Error(Errc::notSupported, fmt::format("allocate mode {:#x}", mode));
  }
  if (length == 0) throw Error(Errc::invalid, "allocate of 0 bytes");
}

Layout toLayout(schema::Layout::Reader reader, InodeId inode, Epoch epoch) {
  if (reader.getInode() != inode) throw Error(Errc::invalid, "the layout is of another inode than the request");
  if (reader.getEpoch() != epoch) throw Error(Errc::invalid, "the layout is of another epoch than the request");
  auto replicas = reader.getReplicas();
  if (replicas.size() == 0 || replicas.size() > kMaxReplicas) {
    throw Error(Errc::invalid,
                fmt::format("a layout of {} replicas; 1 … {} are possible", replicas.size(), kMaxReplicas));
  }
  std::set<StorageId> seen;
  for (auto replica : replicas) {
    if (replica.getStorage() == 0) throw Error(Errc::invalid, "the layout has a replica without a storage id");
    if (!seen.insert(replica.getStorage()).second) throw Error(Errc::invalid, "the layout names a storage twice");
    if (replica.getAddress().size() > 512) throw Error(Errc::invalid, "the layout has an address of over 512 bytes");
  }
  Layout layout = schema::toLayout(reader);
  if (layout.user.size() > kMaxUser) layout.user.resize(kMaxUser);
  if (layout.name.size() > kMaxName) layout.name.resize(kMaxName);
  return layout;
}

}  // namespace vcfs::storage::limits
