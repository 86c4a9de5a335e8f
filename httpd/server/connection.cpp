#include "httpd/server/connection.h"

#include "common/base/log.h"
#include "httpd/ops/ops.h"

namespace vcfs::httpd {

namespace {
constexpr unsigned kRequestsPerTurn = 32;
}  // namespace

Connection::Connection(std::shared_ptr<Site> site, asio::ip::tcp::socket socket, std::string client)
    : site_(std::move(site)), peer_(*site_, std::move(socket)), client_(std::move(client)) {
  ++site_->counters.connections;
  ++site_->counters.accepted;
}

Connection::~Connection() { --site_->counters.connections; }

Task<void> Connection::run() {
  std::shared_ptr<Connection> self = shared_from_this();
  try {
    while (co_await readRequest()) {
      if (!co_await answer()) break;
      parser_->next();
      // A client that sends its requests in advance, and takes cached answers as fast, never lets this coroutine wait.
      if (++answered_ % kRequestsPerTurn == 0) co_await asio::post(site_->runtime.io, asio::use_awaitable);
    }
  } catch (const Gone&) {
  }
  parser_.reset();
  peer_.close();
}

// False: the connection is over.
Task<bool> Connection::readRequest() {
  peer_.setDeadline(site_->options.idleTimeout);
  bool inHead = false;
  for (;;) {
    if (!pending_.empty()) {
      std::string bytes = std::move(pending_);
      pending_.clear();
      take(bytes);
    }
    if (parser_ && parser_->error() != 0) {
      co_await refuse(parser_->error(), parser_->errorText());
      co_return false;
    }
    if (parser_ && parser_->complete()) {
      peer_.clearDeadline();
      co_return true;
    }
    if (parser_ && parser_->started() && !inHead) {
      inHead = true;
      peer_.setDeadline(site_->options.headTimeout);
    }
    std::string_view bytes;
    switch (peer_.receive(bytes)) {
      case Peer::Received::bytes:
        take(bytes);
        continue;
      case Peer::Received::end:
        co_return false;
      case Peer::Received::nothingYet:
        break;
    }
    if (!inHead) {
      if (site_->stopping) co_return false;
      parser_.reset();
      if (pending_.capacity() > 64) std::string().swap(pending_);
    }
    idle_ = !inHead;
    co_await peer_.waitReadable();
    idle_ = false;
    if (!peer_.open()) co_return false;
    if (peer_.expired()) {
      peer_.resetExpired();
      if (inHead) co_await refuse(408, "the request did not come to its end in time");
      co_return false;
    }
  }
}

void Connection::take(std::string_view bytes) {
  if (!parser_) parser_ = std::make_unique<RequestParser>(site_->options.limits);
  std::size_t used = parser_->feed(bytes);
  if (parser_->error() == 0 && used < bytes.size()) pending_.assign(bytes.substr(used));
}

// False: the connection ends.
Task<bool> Connection::answer() {
  const Request& request = parser_->request();
  ++site_->counters.requests;
  Exchange exchange(*site_, peer_, request);
  std::optional<Error> error;
  try {
    co_await route(exchange);
  } catch (const std::exception& e) {
    error = asError(e);
  }
  if (error) {
    if (exchange.started()) {
      log::warn("http.broken_off", {{"client", client_}, {"target", request.target}, {"error", error->what()}});
      co_return false;
    }
    co_await answerError(exchange, *error);
  }
  if (site_->options.accessLog) logAccess(request, exchange);
  if (request.holdsBody) co_await linger();
  co_return exchange.keepAlive();
}

Task<void> Connection::refuse(int status, const char* text) {
  static const Request none;
  Exchange exchange(*site_, peer_, none);
  exchange.dontKeepAlive();
  co_await exchange.fail(status, text);
  co_await linger();
}

// Closing while the client still sends would reset the connection and could destroy the answer on its way.
Task<void> Connection::linger() {
  constexpr std::size_t kMost = 1 << 20;
  peer_.finishSending();
  peer_.setDeadline(std::chrono::milliseconds(2000));
  for (std::size_t seen = 0; seen < kMost;) {
    std::string_view bytes;
    Peer::Received received = peer_.receive(bytes);
    if (received == Peer::Received::end) co_return;
    if (received == Peer::Received::bytes) {
      seen += bytes.size();
      continue;
    }
    co_await peer_.waitReadable();
    if (!peer_.open() || peer_.expired()) co_return;
  }
}

void Connection::reap(TimePoint now) {
  if (peer_.overdue(now)) peer_.expire();
}

void Connection::close() { peer_.close(); }

void Connection::closeIfIdle() {
  if (idle_) peer_.close();
}

void Connection::logAccess(const Request& request, const Exchange& exchange) {
  const char* method = request.method == Method::get ? "GET" : request.method == Method::head ? "HEAD" : "other";
  log::info("http.request", {{"client", client_},
                             {"method", method},
                             {"target", request.target},
                             {"status", exchange.status()},
                             {"bytes", exchange.bodyBytes()}});
}

}  // namespace vcfs::httpd
