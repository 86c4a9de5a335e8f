#pragma once

#include <string>
#include <variant>
#include <vector>

#include "mount-helpers/mount_request.h"

namespace vcfs::mounting {

struct PrintAndExit {
  std::string text;  // for standard output
};

// The arguments behind the program's name, as people, /etc/fstab and mount(8) write them:
//   SOURCE MOUNTPOINT [-o OPTIONS]… [--foreground] [-f] [-n] [-s] [-v] [-t TYPE] [--ready-file FILE]
//   [--log-level LEVEL] [--help] [--version]
// Throws Error(invalid) that names what is wrong.
std::variant<MountRequest, PrintAndExit> parseCommandLine(const std::vector<std::string>& arguments);

std::string helpText();

}  // namespace vcfs::mounting
