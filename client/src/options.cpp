#include "client/src/options.h"

#include <spdlog/fmt/fmt.h>

#include "common/base/settings.h"

namespace vcfs::client {

namespace {

void within(const char* name, std::uint64_t value, std::uint64_t least, std::uint64_t most) {
  if (value >= least && value <= most) return;
  throw Error(Errc::invalid, fmt::format("{} is {}: it must be {} … {} bytes", name, value, least, most));
}

void within(const char* name, std::chrono::milliseconds value, std::int64_t least, std::int64_t most) {
  if (value.count() >= least && value.count() <= most) return;
  throw Error(Errc::invalid, fmt::format("{} is {} ms: it must be {} … {} ms", name, value.count(), least, most));
}

}  // namespace

void validate(ClusterOptions& options) {
  constexpr std::uint64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB;
  if (options.trackers.empty()) throw Error(Errc::invalid, "no tracker is given: name at least one as host:port");
  for (std::string& tracker : options.trackers) {
    const HostPort parsed = parseAddress(tracker, kDefaultTrackerPort);
    const bool v6 = parsed.host.find(':') != std::string::npos;
    tracker = (v6 ? "[" + parsed.host + "]" : parsed.host) + ":" + std::to_string(parsed.port);
  }
  within("stallLimit", options.stallLimit, 100, 3'600'000);
  within("maxLag", options.maxLag, 0, 10'000);
  within("pingInterval", options.pingInterval, 10, 60'000);
  within("pingLimit", options.pingLimit, 100, 600'000);
  within("connectLimit", options.connectLimit, 10, 600'000);
  within("requestLimit", options.requestLimit, 100, 3'600'000);
  within("sendWindow", options.sendWindow, 64 * kKiB, kGiB);
  within("sendWindowTotal", options.sendWindowTotal, std::max(options.sendWindow, 4 * kMiB), 64 * kGiB);
  within("readAhead", options.readAhead, 0, kGiB);
  within("readAheadTotal", options.readAheadTotal, 0, 64 * kGiB);
}

}  // namespace vcfs::client
