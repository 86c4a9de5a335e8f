#pragma once

#include <functional>
#include <string>

namespace vcfs::mounting {

// Runs `serve` in a background process and returns, in the calling one, its exit code: 0 once it called its argument
// (the mount answers), `failure` when it ended before; what it wrote on standard error by then is on ours. Call it
// before there are threads. Paths must be absolute: the background process works in "/".
int inBackground(const std::function<int(std::function<void()> ready)>& serve, const std::string& logFile, int failure);

}  // namespace vcfs::mounting
