#pragma once

#include <string>
#include <string_view>

namespace vcfs::mounting {

// The absolute path of a directory on which can be mounted. Throws Error that names the path and the remedy: absent,
// not a directory, a vcfs is mounted there already, a dead mount is in the way.
std::string checkMountPoint(const std::string& path);

// Whether the text of /proc/self/mountinfo shows a vcfs on top at `path` (absolute).
bool isVcfsMounted(std::string_view mountinfo, const std::string& path);

}  // namespace vcfs::mounting
