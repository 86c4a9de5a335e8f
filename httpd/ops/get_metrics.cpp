#include "common/base/version.h"
#include "httpd/core/metrics.h"
#include "httpd/ops/ops.h"

namespace vcfs::httpd {

// 200 whatever the cluster does: what the server counts of itself is wanted most when something is wrong.
Task<void> getMetrics(Exchange& exchange) {
  Site& site = exchange.site();
  ClusterMetrics::Text cluster = co_await site.clusterMetrics->get(site.cluster);
  std::string body = ownText(site.figures(), VCFS_VERSION) + *cluster;
  co_await exchange.reply(200, "Cache-Control: no-store\r\n", std::string(kExpositionType), body);
}

}  // namespace vcfs::httpd
