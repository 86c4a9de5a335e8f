#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

struct iovec;

// What libfuse 3.14 does not pass on, read from and written into the kernel's messages directly. Pure functions.
namespace vcfs::fuse::wire {

// Offset of a WRITE's bytes in its message: a multiple of 8, so that they can be sent on without a copy.
inline constexpr std::size_t kWritePayloadOffset = 80;

struct Header {
  std::uint32_t opcode = 0;
  std::uint64_t unique = 0;  // names the request; its answer carries it too
};
std::optional<Header> headerOf(const void* message, std::size_t size);

bool isInterrupt(const Header& header);
bool isInit(const Header& header);
std::uint64_t interruptedRequest(const void* message, std::size_t size);

// The kernel leaves it to us to take setuid and setgid away with this WRITE or SETATTR (FUSE_HANDLE_KILLPRIV_V2).
bool asksToDropPrivileges(const void* message, std::size_t size);

// Features of newer kernels that we use when they are there.
struct Features {
  bool dropPrivileges = false;  // FUSE_HANDLE_KILLPRIV_V2 (5.12): no getxattr(security.capability) before each write
  bool mapDirect = false;  // FUSE_DIRECT_IO_ALLOW_MMAP (6.6): shared mmap of a file that is open past the page cache
};
Features offeredFeatures(const void* initMessage, std::size_t size);
// Adds them to the answer that libfuse wrote. False when the answer does not look as expected (nothing was changed).
bool addFeatures(const iovec* answer, int pieces, std::uint64_t unique, const Features& features);

}  // namespace vcfs::fuse::wire
