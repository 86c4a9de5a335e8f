#pragma once

#include <chrono>
#include <string>

#include "common/base/daemon.h"
#include "fuse/mount_settings.h"
#include "vcfs/cluster.h"

namespace vcfs::mounting {

// What a command line or a line of /etc/fstab asks for.
struct MountRequest {
  std::string source;        // as given: "host:port,host2:port:/subdirectory"
  std::string subdirectory;  // of the store, "/" or "/a/b"
  ClusterOptions cluster;
  fuse::MountSettings mount;                       // mountPoint: as given until checkMountPoint() made it absolute
  std::chrono::milliseconds mountTimeout{10'000};  // how long trackers may take to answer when mounting
  std::string logFile;                             // "": syslog
  std::string logLevel = "info";
  DaemonSettings daemon;
  bool foreground = false;
  bool fake = false;  // nothing is to be mounted (mount -f)
  bool verbose = false;
  bool sloppy = false;  // ignore unknown options (mount -s)
};

}  // namespace vcfs::mounting
