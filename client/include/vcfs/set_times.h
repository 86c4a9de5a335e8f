#pragma once

#include <cstdint>

// Whose mtime a file has: its last write's, as its primary knows it, or one that somebody set (utimens).
namespace vcfs {

// Of Attr::acl: the mtime of these attributes was set. A write that the catalog has not heard of yet may still be older
// than that; without this bit the later of the two mtimes is the file's.
inline constexpr std::uint8_t kMtimeSet = 16;

}  // namespace vcfs
