#include "mount-helpers/source.h"

#include "common/base/error.h"
#include "common/base/ids.h"
#include "common/base/settings.h"

namespace vcfs::mounting {

namespace {

std::string cleanDirectory(const std::string& path, const std::string& text) {
  std::string clean;
  std::size_t at = 0;
  while (at < path.size()) {
    auto end = std::min(path.find('/', at), path.size());
    auto part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") throw Error(Errc::invalid, "'" + text + "': a directory of the store is written without '..'");
    clean += "/" + part;
  }
  return clean.empty() ? "/" : clean;
}

}  // namespace

Source parseSource(const std::string& text) {
  auto split = text.find(":/");
  if (split == std::string::npos || split == 0) {
    throw Error(Errc::invalid, "'" + text +
                                   "' does not name a store: write TRACKER[:PORT][,TRACKER…]:/[DIRECTORY], for example "
                                   "10.0.0.1:21000,10.0.0.2:21000:/");
  }
  Source source;
  source.trackers = parseAddressList(text.substr(0, split), kDefaultTrackerPort);
  for (const auto& tracker : source.trackers) {
    if (parseAddress(tracker).port == 0) throw Error(Errc::invalid, "'" + tracker + "': port 0 is no tracker's port");
  }
  source.subdirectory = cleanDirectory(text.substr(split + 1), text);
  return source;
}

}  // namespace vcfs::mounting
