// One of two servers of a catalog keeps its connections and answers nothing.
#include <gtest/gtest.h>
#include <unistd.h>

#include <asio/local/stream_protocol.hpp>
#include <asio/write.hpp>
#include <filesystem>

#include "common/async/signal.h"
#include "tests/unit/tracker/engines.h"
#include "tests/unit/tracker/mariadb_server.h"
#include "tracker/catalog/open_catalog.h"

namespace vcfs::tracker::test {

namespace {

using Local = asio::local::stream_protocol;
using namespace std::chrono_literals;

constexpr Statement kPut{"REPLACE INTO counters (name, value) VALUES ('a', 1)"};
constexpr Statement kSleep{"SELECT SLEEP(1.2)"};

std::string unescaped(std::string host) {
  for (auto at = host.find("%2F"); at != std::string::npos; at = host.find("%2F")) host.replace(at, 3, "/");
  return host;
}

// Passes bytes on to a server, both ways, until it hangs.
class Relay : public std::enable_shared_from_this<Relay> {
 public:
  Relay(asio::io_context& io, std::string path, std::string target)
      : path_(std::move(path)), target_(std::move(target)), acceptor_(io, Local::endpoint(path_)), resumed_(io) {}
  ~Relay() { std::filesystem::remove(path_); }

  void start() { asio::co_spawn(acceptor_.get_executor(), accept(), asio::detached); }
  void hang() { hangs_ = true; }
  int connections() const { return connections_; }

 private:
  Task<void> accept() {
    auto self = shared_from_this();
    while (true) {
      auto client = std::make_shared<Local::socket>(acceptor_.get_executor());
      co_await acceptor_.async_accept(*client, asio::use_awaitable);
      ++connections_;
      if (hangs_) co_await resumed_.wait();  // for ever
      auto server = std::make_shared<Local::socket>(acceptor_.get_executor());
      co_await server->async_connect(Local::endpoint(target_), asio::use_awaitable);
      asio::co_spawn(acceptor_.get_executor(), pass(client, server), asio::detached);
      asio::co_spawn(acceptor_.get_executor(), pass(server, client), asio::detached);
    }
  }

  Task<void> pass(std::shared_ptr<Local::socket> from, std::shared_ptr<Local::socket> to) {
    auto self = shared_from_this();
    std::vector<char> bytes(65536);
    asio::error_code error;
    while (!error) {
      auto n = co_await from->async_read_some(asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, error));
      if (hangs_) co_await resumed_.wait();
      if (!error) {
        auto part = asio::buffer(bytes.data(), n);
        co_await asio::async_write(*to, part, asio::redirect_error(asio::use_awaitable, error));
      }
    }
    asio::error_code ignored;
    to->shutdown(Local::socket::shutdown_both, ignored);
  }

  const std::string path_;
  const std::string target_;
  Local::acceptor acceptor_;
  Signal resumed_;
  bool hangs_ = false;
  int connections_ = 0;
};

}  // namespace

class HangingServer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!MariadbServer::available()) GTEST_SKIP() << "no mariadbd on this machine";
    // mariadb://root@HOST/DATABASE, with HOST the path of a socket
    const std::string url = MariadbServer::instance().newDatabase();
    const auto at = url.find('@') + 1;
    const auto slash = url.rfind('/');
    const std::string host = url.substr(at, slash - at);
    path_ = (std::filesystem::temp_directory_path() / ("vcfs-relay-" + std::to_string(::getpid()))).string();
    std::filesystem::remove(path_);
    relay_ = std::make_shared<Relay>(loop_.io, path_, unescaped(host));
    relay_->start();
    std::string relayed;
    for (char c : path_) relayed += c == '/' ? std::string("%2F") : std::string(1, c);
    const std::string both = url.substr(0, at) + relayed + "," + host + url.substr(slash);
    catalog_ = loop_.run(openCatalog(loop_.runtime, both, 4));
    put();
  }

  void put() {
    auto op = [](SqlTx& tx) -> Task<bool> {
      co_await tx.exec(kPut);
      co_return true;
    };
    loop_.run(catalog_->write(std::move(op)));
  }

  // Longer than a server may be silent before it is suspected.
  void think() {
    auto op = [](SqlTx& tx) -> Task<bool> {
      co_await tx.exec(kSleep);
      co_return true;
    };
    loop_.run(catalog_->read(std::move(op)));
  }

  Loop loop_;
  std::string path_;
  std::shared_ptr<Relay> relay_;
  std::unique_ptr<Catalog> catalog_;
};

TEST_F(HangingServer, is_left_with_every_connection) {
  relay_->hang();
  // Its caller goes to another tracker when the catalog's budget is over; the next is served by the other server.
  try {
    put();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unavailable);
  }
  const auto begin = loop_.clock.now();
  for (int i = 0; i < 4; ++i) put();  // on every connection
  EXPECT_LT(loop_.clock.now() - begin, 1s);
}

TEST_F(HangingServer, is_not_one_that_thinks_for_long) {
  const int before = relay_->connections();
  think();
  EXPECT_GT(relay_->connections(), before + 1) << "it was asked whether it is there";
  const int asked = relay_->connections();
  think();
  EXPECT_GT(relay_->connections(), asked) << "and is still in use";
}

}  // namespace vcfs::tracker::test
