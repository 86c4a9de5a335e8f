#include <nlohmann/json.hpp>

#include "common/base/version.h"
#include "httpd/ops/ops.h"

namespace vcfs::httpd {

// The process answers: 200. With ?deep=1 the cluster must answer too.
Task<void> getHealth(Exchange& exchange) {
  Site& site = exchange.site();
  if (queryValue(exchange.target().query, "deep").value_or("0") == "1") co_await site.cluster->getAttr(kRootInode);
  const Counters& c = site.counters;
  nlohmann::json j = {{"state", "up"},
                      {"version", VCFS_VERSION},
                      {"connections", c.connections},
                      {"accepted", c.accepted},
                      {"refused", c.refused},
                      {"requests", c.requests},
                      {"sent_bytes", c.sentBytes},
                      {"live_streams", c.liveStreams},
                      {"dropped_slow", c.droppedSlow},
                      {"cache_bytes", site.blocks.bytes()},
                      {"cache_hits", site.blocks.hits()},
                      {"cache_misses", site.blocks.misses()}};
  std::string body = j.dump() + "\n";
  co_await exchange.reply(200, "Cache-Control: no-store\r\n", "application/json", body);
}

}  // namespace vcfs::httpd
