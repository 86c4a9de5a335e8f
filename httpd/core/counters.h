#pragma once

#include <cstdint>

namespace vcfs::httpd {

// What the server counts while it works; since its start where nothing else is said.
struct Counters {
  std::uint64_t requests = 0;
  std::uint64_t connections = 0;  // open now
  std::uint64_t accepted = 0;     // ever
  std::uint64_t refused = 0;      // because there were too many
  std::uint64_t sentBytes = 0;
  std::uint64_t liveStreams = 0;  // ?live=1, now
  std::uint64_t droppedSlow = 0;  // took nothing for sendTimeout
};

// The same with what the block cache knows: all that a server tells of itself.
struct Figures {
  Counters counters;
  std::uint64_t cacheBytes = 0;
  std::uint64_t cacheHits = 0;
  std::uint64_t cacheMisses = 0;
};

}  // namespace vcfs::httpd
