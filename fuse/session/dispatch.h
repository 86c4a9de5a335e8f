#pragma once

#include "fuse/session/libfuse.h"

namespace vcfs::fuse {

// libfuse's table of operations: each copies its arguments and starts the coroutine of FileSystem that answers it. The
// session's user data is the Session.
const fuse_lowlevel_ops& operations();

}  // namespace vcfs::fuse
