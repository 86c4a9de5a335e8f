#pragma once

#include <functional>

#include "mount-helpers/mount_request.h"

namespace vcfs::mounting {

// Connects, mounts and serves until unmounted or told to end (SIGTERM, SIGINT); returns the exit code. `ready` is
// called when the mount answers. What goes wrong before is one message on standard error.
int serveMount(MountRequest request, std::function<void()> ready);

}  // namespace vcfs::mounting
