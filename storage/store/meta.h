#pragma once

#include <string>

#include "storage/store/store.h"

namespace vcfs::storage {

inline constexpr const char* kAttribute = "user.vcfs";
inline constexpr std::size_t kAttributeBytes = 2048;  // more than the longest text: paths are cut to 1024 bytes

// The text of user.vcfs:  "1 i=400 e=3 s=c z=1048576 m=179781829de20000 n=/room1/a.mp4".
// The first word is the format's version. Unknown keys are skipped, so that later versions may add some; the path,
// which may hold any byte, is last. Everything stands in one short attribute because ext4 then keeps it in the inode: a
// block of its own for attributes makes creating a small file several times slower.
// `user` is written only when it is not the path's first component.
std::string formatMeta(const ReplicaMeta& meta, const std::string& user = {}, const std::string& path = {});
// The text with `meta` in place of what it says, user and path kept.
std::string updateMeta(const std::string& text, const ReplicaMeta& meta);
// Throws Error(corrupted) that quotes the text.
ReplicaMeta parseMeta(const std::string& text);

// <aa>/<bb>/<id in 16 hex digits>; aa are bits 16–23 of the id and bb bits 8–15. Ids come in sequence, so 256
// neighbours share a directory (its block stays in cache while recordings are made), and 65 536 directories are used
// round robin: at 16 million files each holds 256.
std::string replicaPath(InodeId inode);
std::string replicaDirectory(InodeId inode);
// The id of a file name that is exactly 16 hex digits; 0 for every other name.
InodeId parseReplicaName(const char* name);

}  // namespace vcfs::storage
