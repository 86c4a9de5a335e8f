#include "httpd/server/http_server.h"

#include <sys/socket.h>

#include <asio/ip/address.hpp>

#include "common/base/log.h"
#include "common/base/settings.h"

namespace vcfs::httpd {
namespace {

using asio::ip::tcp;

tcp::endpoint resolve(asio::io_context& io, const std::string& address) {
  HostPort parsed = parseAddress(address);
  asio::error_code error;
  tcp::resolver resolver(io);
  auto found = resolver.resolve(parsed.host, std::to_string(parsed.port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    throw Error(Errc::invalid, "cannot listen at " + address + ": " + (error ? error.message() : "no such host"));
  }
  return found.begin()->endpoint();
}

std::string textOf(const tcp::endpoint& endpoint) {
  std::string host = endpoint.address().to_string();
  if (endpoint.address().is_v6()) host = "[" + host + "]";
  return host + ":" + std::to_string(endpoint.port());
}

}  // namespace

HttpServer::HttpServer(Runtime& runtime, HttpOptions options)
    : runtime_(runtime), site_(std::make_shared<Site>(runtime, std::move(options))), acceptor_(runtime.io) {
  const HttpOptions& o = site_->options;
  tick_ = std::clamp(std::min({o.idleTimeout, o.headTimeout, o.sendTimeout, o.patience}) / 4,
                     std::chrono::milliseconds(20), std::chrono::milliseconds(1000));
  tcp::endpoint endpoint = resolve(runtime.io, o.listen);
  asio::error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(4096, error);
  if (error) {
    throw Error(Errc::unavailable, "cannot listen at " + o.listen + ": " + error.message() +
                                       "; stop what uses the port or give another --listen");
  }
  address_ = textOf(acceptor_.local_endpoint());
}

HttpServer::~HttpServer() = default;

void HttpServer::start(std::shared_ptr<Cluster> cluster) {
  site_->setCluster(std::move(cluster));
  runtime_.spawn("httpd.accept", acceptLoop());
  runtime_.spawn("httpd.reap", reapLoop());
}

Task<void> HttpServer::acceptLoop() {
  std::shared_ptr<HttpServer> self = shared_from_this();
  while (acceptor_.is_open()) {
    asio::error_code error;
    tcp::endpoint peer;
    tcp::socket socket = co_await acceptor_.async_accept(peer, asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      welcome(std::move(socket), peer);
    } else if (error != asio::error::operation_aborted && acceptor_.is_open()) {
      // Out of descriptors or memory: those who are here go on, the others wait in the backlog.
      if (error != asio::error::connection_aborted) {
        log::warn("http.accept_failed", {{"error", error.message()}});
        co_await runtime_.clock.sleep(std::chrono::milliseconds(100));
      }
    }
  }
}

void HttpServer::welcome(tcp::socket socket, const tcp::endpoint& peer) {
  if (site_->counters.connections >= site_->options.maxConnections) {
    static constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nServer: vcfs\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: "
        "close\r\n\r\n";
    ++site_->counters.refused;
    [[maybe_unused]] ssize_t n =
        ::send(socket.native_handle(), kFull.data(), kFull.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return;
  }
  std::string client = site_->options.accessLog ? textOf(peer) : std::string();
  auto connection = std::make_shared<Connection>(site_, std::move(socket), std::move(client));
  connections_.push_back(connection);
  runtime_.spawn("http.connection", connection->run());
}

template <class Function>
void HttpServer::forEach(Function function) {
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (std::shared_ptr<Connection> connection = it->lock()) {
      function(*connection);
      ++it;
    } else {
      it = connections_.erase(it);
    }
  }
}

Task<void> HttpServer::reapLoop() {
  std::shared_ptr<HttpServer> self = shared_from_this();
  while (acceptor_.is_open()) {
    co_await runtime_.clock.sleep(tick_);
    TimePoint now = runtime_.clock.now();
    forEach([now](Connection& connection) { connection.reap(now); });
  }
}

Task<void> HttpServer::stop(std::chrono::milliseconds grace) {
  std::shared_ptr<HttpServer> self = shared_from_this();
  site_->stopping = true;
  asio::error_code ignored;
  acceptor_.close(ignored);
  forEach([](Connection& connection) { connection.closeIfIdle(); });
  TimePoint end = runtime_.clock.now() + std::chrono::duration_cast<Duration>(grace);
  while (site_->counters.connections > 0 && runtime_.clock.now() < end) {
    co_await runtime_.clock.sleep(std::chrono::milliseconds(20));
  }
  forEach([](Connection& connection) { connection.close(); });
}

}  // namespace vcfs::httpd
