#pragma once

#include <asio/local/stream_protocol.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/async/signal.h"

namespace vcfs::tracker::test {

// What becomes of a COMMIT whose connection is cut.
enum class Loss {
  commit,  // it never reaches the server, which rolls back
  late,    // it reaches the server kLate after its sender lost the connection
  answer,  // it is carried out, its sender does not hear of it
};

// Between a catalog and a MariaDB server: passes everything on, message by message, until it is told to fail.
class Relay : public std::enable_shared_from_this<Relay> {
 public:
  // Less than a transaction may be idle (idle_transaction_timeout).
  static constexpr auto kLate = std::chrono::milliseconds(300);

  // `url`: of a database at a socket, as MariadbServer::newDatabase() makes it.
  static std::shared_ptr<Relay> start(asio::io_context& io, const std::string& url);
  Relay(asio::io_context& io, const std::string& url);
  ~Relay();

  std::string url() const;           // of the same database, through here
  std::string urlAndServer() const;  // the server itself is the second choice
  int connections() const { return connections_; }

  void hang() { hangs_ = true; }  // every connection stays, nothing passes any more
  // Once, of the first transaction from now on with `text` in its statements.
  void loseCommit(Loss loss, std::string text = "INSERT INTO requests");
  const std::vector<std::string>& lost() const { return lost_; }  // those transactions

 private:
  using Socket = asio::local::stream_protocol::socket;
  struct Link {
    explicit Link(asio::io_context& io) : client(io), server(io) {}
    Socket client;
    Socket server;
    std::string transaction;  // its messages so far
    bool mute = false;        // the server's answers are not passed on
  };

  Task<void> accept();
  Task<void> passQuestions(std::shared_ptr<Link> link);
  Task<void> passAnswers(std::shared_ptr<Link> link);
  Task<void> lose(std::shared_ptr<Link> link, std::string commit);
  bool endsTransaction(Link& link, const std::string& message);

  const std::string url_;
  const std::string path_;
  asio::io_context& io_;
  asio::local::stream_protocol::acceptor acceptor_;
  Signal resumed_;
  std::optional<Loss> loss_;
  std::string lossText_;
  bool hangs_ = false;
  int connections_ = 0;
  std::vector<std::string> lost_;
};

}  // namespace vcfs::tracker::test
