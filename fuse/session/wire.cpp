#include "fuse/session/wire.h"

#include <linux/fuse.h>
#include <sys/uio.h>

#include <cstring>

namespace vcfs::fuse::wire {

static_assert(sizeof(fuse_in_header) + sizeof(fuse_write_in) == kWritePayloadOffset);

namespace {

constexpr std::uint64_t kDirectIoAllowMmap = 1ULL << 36;  // newer than Debian 12's linux/fuse.h

template <class T>
std::optional<T> bodyOf(const void* message, std::size_t size) {
  if (size < sizeof(fuse_in_header) + sizeof(T)) return std::nullopt;
  T body;
  std::memcpy(&body, static_cast<const char*>(message) + sizeof(fuse_in_header), sizeof body);
  return body;
}

}  // namespace

std::optional<Header> headerOf(const void* message, std::size_t size) {
  if (size < sizeof(fuse_in_header)) return std::nullopt;
  fuse_in_header in;
  std::memcpy(&in, message, sizeof in);
  return Header{in.opcode, in.unique};
}

bool isInterrupt(const Header& header) { return header.opcode == FUSE_INTERRUPT; }
bool isInit(const Header& header) { return header.opcode == FUSE_INIT; }

std::uint64_t interruptedRequest(const void* message, std::size_t size) {
  auto body = bodyOf<fuse_interrupt_in>(message, size);
  return body ? body->unique : 0;
}

bool asksToDropPrivileges(const void* message, std::size_t size) {
  auto header = headerOf(message, size);
  if (!header) return false;
  if (header->opcode == FUSE_WRITE) {
    auto body = bodyOf<fuse_write_in>(message, size);
    return body && (body->write_flags & FUSE_WRITE_KILL_SUIDGID) != 0;
  }
  if (header->opcode == FUSE_SETATTR) {
    auto body = bodyOf<fuse_setattr_in>(message, size);
    return body && (body->valid & FATTR_KILL_SUIDGID) != 0;
  }
  return false;
}

Features offeredFeatures(const void* initMessage, std::size_t size) {
  auto body = bodyOf<fuse_init_in>(initMessage, size);
  if (!body) return {};  // an old kernel's shorter message offers none of them
  auto flags = static_cast<std::uint64_t>(body->flags);
  if ((flags & FUSE_INIT_EXT) != 0) flags |= static_cast<std::uint64_t>(body->flags2) << 32;
  Features features;
  features.dropPrivileges = (flags & FUSE_HANDLE_KILLPRIV_V2) != 0;
  features.mapDirect = (flags & kDirectIoAllowMmap) != 0;
  return features;
}

bool addFeatures(const iovec* answer, int pieces, std::uint64_t unique, const Features& features) {
  if (pieces != 2 || answer[0].iov_len != sizeof(fuse_out_header) || answer[1].iov_len < sizeof(fuse_init_out))
    return false;
  fuse_out_header head;
  std::memcpy(&head, answer[0].iov_base, sizeof head);
  if (head.unique != unique || head.error != 0) return false;
  fuse_init_out out;
  std::memcpy(&out, answer[1].iov_base, sizeof out);
  if (features.dropPrivileges) out.flags |= FUSE_HANDLE_KILLPRIV_V2;
  if (features.mapDirect) {
    out.flags |= FUSE_INIT_EXT;
    out.flags2 |= static_cast<std::uint32_t>(kDirectIoAllowMmap >> 32);
  }
  std::memcpy(answer[1].iov_base, &out, sizeof out);
  return true;
}

}  // namespace vcfs::fuse::wire
