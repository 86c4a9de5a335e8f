#include "common/rpc/tcp_transport.h"

#include <fcntl.h>
#include <netinet/tcp.h>

#include <asio/ip/tcp.hpp>
#include <optional>

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/settings.h"
#include "common/rpc/tcp_link.h"

namespace vcfs {

namespace {

using asio::ip::tcp;

std::string write(const tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(endpoint.port());
}

void tune(tcp::socket& socket, const TcpOptions& options) {
  asio::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  if (!options.congestionControl.empty()) {
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_CONGESTION, options.congestionControl.data(),
                 static_cast<socklen_t>(options.congestionControl.size()));
  }
}

class TcpListener final : public Listener, public std::enable_shared_from_this<TcpListener> {
 public:
  TcpListener(asio::io_context& io, TcpOptions options, std::function<void(std::unique_ptr<Link>)> accepted)
      : acceptor_(io), retry_(io), options_(std::move(options)), accepted_(std::move(accepted)) {}

  void open(const std::string& address, const tcp::endpoint& endpoint) {
    asio::error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) ::fcntl(acceptor_.native_handle(), F_SETFD, FD_CLOEXEC);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(1024, error);
    if (error == asio::error::address_in_use) {
      throw Error(Errc::unavailable, "port taken: somebody listens at " + address + " already; choose another port");
    }
    if (error) throw Error(Errc::unavailable, "cannot listen at " + address + ": " + error.message());
    address_ = write(acceptor_.local_endpoint());
    accept();
  }

  void stop() {
    stopped_ = true;
    asio::error_code ignored;
    acceptor_.close(ignored);
    retry_.cancel();
  }

  const std::string& address() const override { return address_; }

 private:
  void accept() {
    acceptor_.async_accept([self = shared_from_this()](asio::error_code error, tcp::socket socket) {
      if (self->stopped_) return;
      if (error) return self->pause(error);
      asio::error_code gone;
      const auto peer = socket.remote_endpoint(gone);
      if (!gone) {
        tune(socket, self->options_);
        self->accepted_(std::make_unique<rpc::TcpLink>(std::move(socket), write(peer)));
      }
      self->accept();
    });
  }

  // Out of descriptors: taking the next connection at once would fail at once.
  void pause(asio::error_code error) {
    log::warn("rpc.accept.failed", {{"address", address_}, {"reason", error.message()}});
    retry_.expires_after(std::chrono::milliseconds(100));
    retry_.async_wait([self = shared_from_this()](asio::error_code stopped) {
      if (!stopped && !self->stopped_) self->accept();
    });
  }

  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  TcpOptions options_;
  std::function<void(std::unique_ptr<Link>)> accepted_;
  std::string address_;
  bool stopped_ = false;
};

// What listen() hands out: its destruction stops the listener, whose handlers keep it alive until they have run.
class ListenerHandle final : public Listener {
 public:
  explicit ListenerHandle(std::shared_ptr<TcpListener> listener) : listener_(std::move(listener)) {}
  ~ListenerHandle() override { listener_->stop(); }
  const std::string& address() const override { return listener_->address(); }

 private:
  std::shared_ptr<TcpListener> listener_;
};

}  // namespace

TcpTransport::TcpTransport(asio::io_context& io, Clock& clock, TcpOptions options)
    : TcpTransport(io, clock, NameLookup(io, clock), std::move(options)) {}
TcpTransport::TcpTransport(asio::io_context& io, Clock& clock, NameLookup names, TcpOptions options)
    : io_(io), clock_(clock), names_(std::move(names)), options_(std::move(options)) {}
TcpTransport::~TcpTransport() = default;

Task<std::unique_ptr<Link>> TcpTransport::connect(std::string address, Duration limit) {
  const HostPort target = parseAddress(address);
  const TimePoint deadline = clock_.now() + limit;
  NameLookup::Addresses hosts;
  asio::error_code named;
  const auto literal = asio::ip::make_address(target.host, named);
  if (named) {
    hosts = co_await names_.find(target.host, limit / 2);
  } else {
    hosts.push_back(literal);
  }
  std::optional<Error> failure;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    // One that nothing comes from leaves the others their share of the time.
    const Duration rest = std::max<Duration>(deadline - clock_.now(), Duration(0));
    try {
      auto link = co_await connectTo(hosts[i], target.port, address, rest / static_cast<int>(hosts.size() - i));
      if (named) names_.reached(target.host, hosts[i]);
      co_return link;
    } catch (const Error& error) {
      failure = error;
    }
  }
  throw Error(*failure);
}

Task<std::unique_ptr<Link>> TcpTransport::connectTo(asio::ip::address host, std::uint16_t port, std::string address,
                                                    Duration limit) {
  const tcp::endpoint endpoint(host, port);
  asio::error_code error;
  tcp::socket socket(io_);
  bool late = false;
  auto deadline = clock_.callAt(clock_.now() + limit, [&] {
    late = true;
    asio::error_code ignored;
    socket.close(ignored);
  });
  socket.open(endpoint.protocol(), error);
  if (!error) tune(socket, options_);
  if (!error) co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
  if (late) throw Error(Errc::timeout, "no answer from " + address);
  if (error) throw Error(Errc::unavailable, "cannot connect to " + address + ": " + error.message());
  co_return std::make_unique<rpc::TcpLink>(std::move(socket), address);
}

std::unique_ptr<Listener> TcpTransport::listen(std::string address,
                                               std::function<void(std::unique_ptr<Link>)> accepted) {
  const HostPort local = parseAddress(address);
  asio::error_code error;
  auto ip = asio::ip::make_address(local.host, error);
  if (error) {
    tcp::resolver resolver(io_);
    auto found = resolver.resolve(local.host, std::to_string(local.port), error);
    if (error) throw Error(Errc::invalid, "cannot listen at " + address + ": no such host");
    ip = found.begin()->endpoint().address();
  }
  auto listener = std::make_shared<TcpListener>(io_, options_, std::move(accepted));
  listener->open(address, tcp::endpoint(ip, local.port));
  return std::make_unique<ListenerHandle>(std::move(listener));
}

}  // namespace vcfs
