#include "client/src/reply.h"

#include <cstring>

#include "common/rpc/bulk.h"

namespace vcfs::client {

FileInfo toFileInfo(schema::FileInfo::Reader reader) {
  FileInfo info;
  info.size = reader.getSize();
  info.mtimeNs = reader.getMtimeNs();
  info.blocks = reader.getBlocks();
  const auto state = static_cast<std::uint16_t>(reader.getState());
  info.state =
      state <= static_cast<std::uint16_t>(FileState::recovered) ? static_cast<FileState>(state) : FileState::none;
  info.epoch = reader.getEpoch();
  info.writers = reader.getWriters();
  info.bytesToGo = reader.getBytesToGo();
  info.changeId = reader.getChangeId();
  info.powerLoss = reader.getPowerLoss();
  return info;
}

void takeStatus(Reply& reply, schema::Status::Reader status) {
  try {
    schema::check(status);
  } catch (const Error& error) {
    reply.code = error.code();
    reply.detail = error.detail();
    if (status.hasLayout()) reply.layout = schema::toLayout(status.getLayout());
  }
}

Piece keep(capnp::Data::Reader data) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data.begin());
  Piece piece;
  if (data.size() == 0) return piece;
  piece.owner = rpc::ownerOf(bytes);
  if (!piece.owner) {
    auto copy = rpc::Buffer::allocate(data.size());
    std::memcpy(copy->data(), bytes, data.size());
    bytes = copy->data();
    piece.owner = std::move(copy);
  }
  piece.data = std::span<const std::byte>(bytes, data.size());
  return piece;
}

Task<Reply> receive(Runtime& runtime, kj::Promise<Reply> promise, Duration limit) {
  Reply reply;
  try {
    reply = co_await rpc::await<Reply>(runtime, kj::mv(promise), limit);
  } catch (const Error& error) {
    reply.code = error.code();
    reply.detail = error.detail();
    reply.where = Where::transport;
  }
  co_return reply;
}

}  // namespace vcfs::client
