#include <spdlog/fmt/fmt.h>

#include "httpd/ops/ops.h"

namespace vcfs::httpd {

Task<void> getFile(Exchange& exchange, Entry entry, std::string fileName) {
  std::string boundary;
  if (!exchange.request().header(Header::range).empty()) {
    boundary = fmt::format("vcfs-{:016x}", exchange.site().runtime.random());
  }
  const std::int64_t now = exchange.site().runtime.clock.wallNs();
  FileReply reply = replyToFile(exchange.request(), entry.attr, now, fileName, boundary);
  Version version;
  version.entry = std::move(entry);
  version.since = exchange.since();
  std::unique_ptr<ByteSource> source = makeSource(exchange.site(), std::move(version));
  co_await exchange.sendFile(std::move(reply), *source);
}

}  // namespace vcfs::httpd
