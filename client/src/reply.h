#pragma once

#include <optional>
#include <string>

#include "client/src/core/size_view.h"
#include "client/src/core/verdict.h"
#include "common/rpc/call.h"
#include "schema/convert.h"
#include "vcfs/types.h"

namespace vcfs::client {

// A storage server's answer as values, so that the message can go back at once.
struct Reply {
  Errc code = Errc::ok;
  std::string detail;
  Where where = Where::status;
  std::optional<Layout> layout;  // with staleEpoch and notPrimary, when the server knows better
  FileInfo info;
  std::uint64_t offset = 0;  // of write and seek
  std::uint32_t copied = 0;  // of copyRange
  Piece data;                // of read

  bool ok() const { return code == Errc::ok; }
  Error error() const { return Error(code, detail); }
};

FileInfo toFileInfo(schema::FileInfo::Reader reader);
void takeStatus(Reply& reply, schema::Status::Reader status);
// Bytes out of a received message: referenced when the message can be kept, else copied.
Piece keep(capnp::Data::Reader data);

template <class Results>
kj::Promise<Reply> toReply(capnp::RemotePromise<Results> promise) {
  return promise.then([](capnp::Response<Results>&& response) {
    Reply reply;
    takeStatus(reply, response.getStatus());
    if (!reply.ok()) return reply;
    if constexpr (requires { response.getInfo(); }) reply.info = toFileInfo(response.getInfo());
    if constexpr (requires { response.getOffset(); }) reply.offset = response.getOffset();
    if constexpr (requires { response.getCopied(); }) reply.copied = response.getCopied();
    if constexpr (requires { response.getData(); }) reply.data = keep(response.getData());
    return reply;
  });
}

// Awaits an answer; what goes wrong on the way is put into the Reply (Where::transport).
Task<Reply> receive(Runtime& runtime, kj::Promise<Reply> promise, Duration limit);

}  // namespace vcfs::client
