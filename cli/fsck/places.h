#pragma once

#include <functional>

#include "cli/fsck/sources.h"

namespace vcfs::cli::fsck {

// A name that leads to an inode.
struct Place {
  InodeId parent = 0;  // 0: it has none
  std::string name;
};

// One pass over all names of the store: they are not found by inode otherwise. Throws timeout as soon as it is `late`.
Task<std::map<InodeId, Place>> placesOf(Sources& sources, std::set<InodeId> inodes,
                                        std::function<bool()> late = nullptr);

// Of directories, each with no slash behind it.
Task<std::map<InodeId, std::string>> pathsOf(Sources& sources, std::set<InodeId> directories);

}  // namespace vcfs::cli::fsck
