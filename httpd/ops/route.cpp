#include "httpd/ops/ops.h"

namespace vcfs::httpd {
namespace {

constexpr std::string_view kFiles = "files";  // /files/<id>
constexpr std::string_view kHealth = "healthz";
constexpr std::string_view kMetrics = "metrics";

std::string lastName(const std::string& path) {
  std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

Task<void> serveEntry(Exchange& exchange, Entry entry, std::string fileName) {
  switch (entry.attr.type) {
    case FileType::directory:
      co_await getDirectory(exchange, std::move(entry));
      break;
    case FileType::regular:
      if (exchange.target().trailingSlash) {
        co_await exchange.fail(404, "this is a file, not a directory");
      } else if (entry.attr.state == FileState::lost) {
        co_await exchange.fail(410, "no server has this file's data any more");
      } else if (queryValue(exchange.target().query, "live").value_or("0") == "1") {
        co_await getLive(exchange, std::move(entry), std::move(fileName));
      } else {
        co_await getFile(exchange, std::move(entry), std::move(fileName));
      }
      break;
    default:
      co_await exchange.fail(403, "neither a file nor a directory");
  }
}

Task<void> byId(Exchange& exchange) {
  const Target& target = exchange.target();
  std::optional<std::uint64_t> id;
  if (target.components.size() == 2 && !target.trailingSlash) id = parseFileId(target.components[1]);
  if (!id) {
    co_await exchange.fail(404, "ask for /files/ID, an id as `vcfs stat` prints it: decimal, 0x… or 16 hex digits");
    co_return;
  }
  std::optional<Entry> entry = co_await exchange.site().findById(*id);
  if (!entry || entry->attr.type != FileType::regular) {
    co_await exchange.fail(404, "no file has this id");
    co_return;
  }
  std::string fileName = lastName(entry->layout.name);
  co_await serveEntry(exchange, std::move(*entry), std::move(fileName));
}

Task<void> byPath(Exchange& exchange) {
  const Target& target = exchange.target();
  std::optional<Entry> entry = co_await exchange.site().find(target.components);
  if (!entry) {
    co_await exchange.fail(404, "no such file or directory");
    co_return;
  }
  std::string fileName = target.components.empty() ? std::string() : target.components.back();
  co_await serveEntry(exchange, std::move(*entry), std::move(fileName));
}

Task<void> options(Exchange& exchange) {
  co_await exchange.reply(204, "Allow: GET, HEAD, OPTIONS\r\n" + preflightLines(exchange.site().options.corsOrigin), "",
                          "");
}

}  // namespace

Task<void> route(Exchange& exchange) {
  const Request& request = exchange.request();
  if (request.method == Method::other) {
    co_await exchange.fail(405, "only GET, HEAD and OPTIONS are served; write through the mount or `vcfs put`",
                           "Allow: GET, HEAD, OPTIONS\r\n");
    co_return;
  }
  if (request.method == Method::options && request.target == "*") {
    co_await options(exchange);
    co_return;
  }
  std::optional<Target> target = parseTarget(request.target);
  if (!target) {
    co_await exchange.fail(400, "the path is malformed: an escape, '..', NUL or an encoded '/' that must not be there");
    co_return;
  }
  exchange.setTarget(std::move(*target));
  const std::vector<std::string>& names = exchange.target().components;
  if (request.method == Method::options) {
    co_await options(exchange);
  } else if (names.size() == 1 && names[0] == kHealth) {
    co_await getHealth(exchange);
  } else if (names.size() == 1 && names[0] == kMetrics) {
    co_await getMetrics(exchange);
  } else if (!names.empty() && names[0] == kFiles) {
    co_await byId(exchange);
  } else {
    co_await byPath(exchange);
  }
}

}  // namespace vcfs::httpd
