#include "common/base/log.h"
#include "httpd/ops/ops.h"

namespace vcfs::httpd {

int statusOf(Errc code) {
  switch (code) {
    case Errc::notFound:
    case Errc::notDirectory:
    case Errc::nameTooLong:
    case Errc::loop:
      return 404;
    case Errc::accessDenied:
    case Errc::notPermitted:
      return 403;
    case Errc::invalid:
    case Errc::tooLarge:
      return 400;
    case Errc::staleEpoch:
    case Errc::notPrimary:
    case Errc::notInSync:
    case Errc::needLayout:
    case Errc::unavailable:
    case Errc::overloaded:
    case Errc::timeout:
    case Errc::cancelled:
      return 503;
    default:
      return 500;
  }
}

Task<void> answerError(Exchange& exchange, Error error) {
  int status = statusOf(error.code());
  if (status >= 500) log::warn("http.failed", {{"target", exchange.request().target}, {"error", error.what()}});
  switch (status) {
    case 404:
      co_await exchange.fail(404, "no such file or directory");
      break;
    case 503:
      co_await exchange.fail(503, "the storage cannot be reached at the moment", "Retry-After: 2\r\n");
      break;
    case 500:
      co_await exchange.fail(500, "the file cannot be read");
      break;  // details are for the log
    default:
      co_await exchange.fail(status, error.detail());
  }
}

}  // namespace vcfs::httpd
