#pragma once

#include <string>

#include "storage/store/store.h"

namespace vcfs::storage {

// The text of user.vcfs:  "1 id=0000000000000400 epoch=3 state=closed size=1048576 mtime=1700000000000000000".
// The first word is the format's version. Unknown keys are skipped, so that later versions may add some.
std::string formatMeta(const ReplicaMeta& meta);
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
