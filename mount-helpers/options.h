#pragma once

#include <string>
#include <vector>

#include "mount-helpers/mount_request.h"

namespace vcfs::mounting {

// Our mount options, declared once: parsing, --help and the man page's table come from here.
struct OptionHelp {
  std::string name;  // "stall_limit=30s": the default stands behind the equals sign
  std::string meaning;
};
std::vector<OptionHelp> optionHelp();

// Takes the text behind one -o: "ro,stall_limit=10s,_netdev". Later options win. Generic options of mount(8) are obeyed
// (ro, nosuid, noatime …) or, where they concern others (_netdev, noauto, x-systemd.*), accepted and ignored.
// Throws Error(invalid) that names the option and what is allowed, also for unknown ones unless request.sloppy.
void applyOptions(const std::string& text, MountRequest& request);

}  // namespace vcfs::mounting
