#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>

#include "vcfs/types.h"

// Our values as the kernel wants them, and back.
namespace vcfs::fuse {

std::uint32_t modeBits(FileType type);    // S_IFREG …
FileType fileTypeOf(std::uint32_t mode);  // of a mode with type bits
struct stat toStat(const Attr& attr);
double toSeconds(std::chrono::milliseconds time);
std::int64_t toNs(const timespec& time);

// What Linux takes away from a file's mode when somebody without the right to keep it writes or chowns: setuid always;
// setgid when the group may execute (without that it is the old mark of mandatory locking), or, whatever the group may
// do, when the caller is not in it.
std::uint32_t withoutPrivileges(std::uint32_t mode, bool inGroup);
// Whether it depends on the caller's groups.
bool privilegesDependOnGroup(std::uint32_t mode);

}  // namespace vcfs::fuse
