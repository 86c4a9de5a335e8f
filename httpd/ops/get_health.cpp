#include <nlohmann/json.hpp>

#include "common/base/version.h"
#include "httpd/core/metrics.h"
#include "httpd/ops/ops.h"

namespace vcfs::httpd {

// The process answers: 200. With ?deep=1 the cluster must answer too.
Task<void> getHealth(Exchange& exchange) {
  Site& site = exchange.site();
  if (queryValue(exchange.target().query, "deep").value_or("0") == "1") co_await site.cluster->getAttr(kRootInode);
  nlohmann::json j = {{"state", "up"}, {"version", VCFS_VERSION}};
  const Figures figures = site.figures();
  for (const OwnMetric& own : kOwnMetrics) j[std::string(ownKey(own.metric))] = own.value(figures);
  std::string body = j.dump() + "\n";
  co_await exchange.reply(200, "Cache-Control: no-store\r\n", "application/json", body);
}

}  // namespace vcfs::httpd
