#pragma once

#include "vcfs/cluster.h"

namespace vcfs::client {

// Throws Error(invalid) naming the option, what it is and what is allowed; adds the default port to tracker addresses.
void validate(ClusterOptions& options);

}  // namespace vcfs::client
