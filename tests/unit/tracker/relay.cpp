#include "tests/unit/tracker/relay.h"

#include <unistd.h>

#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <filesystem>

namespace vcfs::tracker::test {

namespace {

using Local = asio::local::stream_protocol;

constexpr std::size_t kHeader = 4;  // a message's length in 3 bytes, its number in one
constexpr char kQuery = 3;

// The parts of mariadb://root@HOST/DATABASE, with HOST the path of a socket.
struct Parts {
  explicit Parts(const std::string& url) {
    const auto at = url.find('@') + 1;
    const auto slash = url.rfind('/');
    head = url.substr(0, at);
    host = url.substr(at, slash - at);
    database = url.substr(slash);
  }
  std::string head, host, database;
};

std::string escaped(const std::string& path) {
  std::string host;
  for (char c : path) host += c == '/' ? std::string("%2F") : std::string(1, c);
  return host;
}

std::string unescaped(std::string host) {
  for (auto at = host.find("%2F"); at != std::string::npos; at = host.find("%2F")) host.replace(at, 3, "/");
  return host;
}

std::string newPath() {
  static int made = 0;
  const std::string name = "vcfs-relay-" + std::to_string(::getpid()) + "-" + std::to_string(++made);
  std::filesystem::remove(std::filesystem::temp_directory_path() / name);
  return (std::filesystem::temp_directory_path() / name).string();
}

// Empty: the connection has ended.
Task<std::string> readMessage(Local::socket& from) {
  std::string message(kHeader, '\0');
  asio::error_code error;
  co_await asio::async_read(from, asio::buffer(message), asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return std::string();
  const auto byte = [&message](int at) { return static_cast<unsigned char>(message[static_cast<std::size_t>(at)]); };
  message.resize(kHeader + byte(0) + (byte(1) << 8u) + (byte(2) << 16u));
  auto body = asio::buffer(message) + kHeader;
  co_await asio::async_read(from, body, asio::redirect_error(asio::use_awaitable, error));
  co_return error ? std::string() : message;
}

Task<bool> write(Local::socket& to, std::string bytes) {
  asio::error_code error;
  co_await asio::async_write(to, asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, error));
  co_return !error;
}

void end(Local::socket& socket, Local::socket::shutdown_type way = Local::socket::shutdown_both) {
  asio::error_code ignored;
  socket.shutdown(way, ignored);
}

}  // namespace

std::shared_ptr<Relay> Relay::start(asio::io_context& io, const std::string& url) {
  auto relay = std::make_shared<Relay>(io, url);
  asio::co_spawn(io, relay->accept(), asio::detached);
  return relay;
}

Relay::Relay(asio::io_context& io, const std::string& url)
    : url_(url), path_(newPath()), io_(io), acceptor_(io, Local::endpoint(path_)), resumed_(io) {}

Relay::~Relay() { std::filesystem::remove(path_); }

std::string Relay::url() const {
  const Parts parts(url_);
  return parts.head + escaped(path_) + parts.database;
}

std::string Relay::urlAndServer() const {
  const Parts parts(url_);
  return parts.head + escaped(path_) + "," + parts.host + parts.database;
}

void Relay::loseCommit(Loss loss, std::string text) {
  loss_ = loss;
  lossText_ = std::move(text);
}

// Whether it is the one to be lost.
bool Relay::endsTransaction(Link& link, const std::string& message) {
  if (message.size() <= kHeader || message[kHeader] != kQuery) return false;
  link.transaction += message.substr(kHeader + 1) + "\n";
  if (!message.ends_with("COMMIT")) return false;
  const std::string ended = std::exchange(link.transaction, {});
  if (!loss_ || ended.find(lossText_) == std::string::npos) return false;
  lost_.push_back(ended);
  return true;
}

Task<void> Relay::accept() {
  auto self = shared_from_this();
  const Local::endpoint target(unescaped(Parts(url_).host));
  while (true) {
    auto link = std::make_shared<Link>(io_);
    co_await acceptor_.async_accept(link->client, asio::use_awaitable);
    ++connections_;
    if (hangs_) co_await resumed_.wait();  // for ever
    co_await link->server.async_connect(target, asio::use_awaitable);
    asio::co_spawn(io_, passQuestions(link), asio::detached);
    asio::co_spawn(io_, passAnswers(link), asio::detached);
  }
}

Task<void> Relay::passQuestions(std::shared_ptr<Link> link) {
  auto self = shared_from_this();
  bool passed = true;
  while (passed) {
    std::string message = co_await readMessage(link->client);
    if (hangs_) co_await resumed_.wait();
    if (endsTransaction(*link, message)) co_return co_await lose(link, std::move(message));
    passed = !message.empty() && co_await write(link->server, std::move(message));
  }
  end(link->server);
}

Task<void> Relay::passAnswers(std::shared_ptr<Link> link) {
  auto self = shared_from_this();
  std::string bytes(65536, '\0');
  asio::error_code error;
  while (!error) {
    auto whole = asio::buffer(bytes);
    auto n = co_await link->server.async_read_some(whole, asio::redirect_error(asio::use_awaitable, error));
    if (hangs_) co_await resumed_.wait();
    std::string part = bytes.substr(0, n);
    if (!error && !link->mute) co_await write(link->client, std::move(part));
  }
  end(link->client);
}

// After its last message the server finds the connection's end, and ends it from its side when it has carried it out.
Task<void> Relay::lose(std::shared_ptr<Link> link, std::string commit) {
  const Loss loss = *loss_;
  loss_.reset();
  link->mute = true;
  if (loss != Loss::answer) end(link->client);
  if (loss == Loss::late) {
    asio::steady_timer timer(io_, kLate);
    co_await timer.async_wait(asio::use_awaitable);
  }
  if (loss != Loss::commit) co_await write(link->server, std::move(commit));
  end(link->server, Local::socket::shutdown_send);
}

}  // namespace vcfs::tracker::test
