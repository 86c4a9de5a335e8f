#pragma once

#include "vcfs/types.h"

namespace vcfs::fuse {

// Which reads move atime: mount(8)'s noatime, relatime (the default) and strictatime.
enum class AtimeRule { never, relative, always };

struct AtimeRules {
  AtimeRule files = AtimeRule::relative;  // and links
  AtimeRule directories = AtimeRule::relative;
};
// `mountFlags`: MS_NOATIME and the like. A mount that is read-only moves nothing.
AtimeRules atimeRules(unsigned long mountFlags, bool readOnly);

// As Linux decides it: a read at `nowNs` moves an atime that is not later than mtime or ctime, or is a day old.
bool movesAtime(AtimeRule rule, const Attr& attr, std::int64_t nowNs);

}  // namespace vcfs::fuse
