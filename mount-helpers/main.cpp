// mount.vcfs: the helper that mount(8) calls for `-t vcfs`, and the process that serves the mount.

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "common/base/daemon.h"
#include "mount-helpers/command_line.h"
#include "mount-helpers/launcher.h"
#include "mount-helpers/mount_daemon.h"
#include "mount-helpers/mount_point.h"

using namespace vcfs;
using namespace vcfs::mounting;

namespace {

constexpr int kWrongUse = 1;  // exit codes of mount(8)
constexpr int kMountFailed = 32;

void makeAbsolute(std::string& path) {
  if (!path.empty()) path = std::filesystem::absolute(path).string();
}

int mountIt(MountRequest request) {
  request.mount.mountPoint = checkMountPoint(request.mount.mountPoint);
  request.cluster.path = request.mount.mountPoint;
  makeAbsolute(request.daemon.readyFile);
  makeAbsolute(request.logFile);
  if (request.foreground) return serveMount(std::move(request), nullptr) == 0 ? 0 : kMountFailed;
  auto logFile = request.logFile;
  auto serve = [&request](std::function<void()> ready) { return serveMount(std::move(request), std::move(ready)); };
  return inBackground(serve, logFile, kMountFailed);
}

}  // namespace

int main(int argc, char** argv) {
  std::variant<MountRequest, PrintAndExit> parsed;
  auto parse = [&] {
    parsed = parseCommandLine(std::vector<std::string>(argv + 1, argv + argc));
    return 0;
  };
  if (reportingFailure(parse, kWrongUse) != 0) return kWrongUse;
  if (auto* print = std::get_if<PrintAndExit>(&parsed)) {
    std::fputs(print->text.c_str(), stdout);
    return 0;
  }
  auto& request = std::get<MountRequest>(parsed);
  if (request.fake) {
    if (request.verbose) std::fprintf(stderr, "mount.vcfs: the arguments are right; nothing is mounted (-f)\n");
    return 0;
  }
  return reportingFailure([&] { return mountIt(std::move(request)); }, kMountFailed);
}
