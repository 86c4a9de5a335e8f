#pragma once

#include <memory>
#include <string>

#include "httpd/server/exchange.h"
#include "httpd/server/peer.h"
#include "httpd/server/site.h"

namespace vcfs::httpd {

// One client connection: reads requests, answers them one after the other (pipelined ones too), and while idle keeps
// nothing but its socket and a coroutine. Owned by its own coroutine and seen by the server through a weak list.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Site> site, asio::ip::tcp::socket socket, std::string client);
  ~Connection();

  Task<void> run();
  void reap(TimePoint now);  // from the server, every now and then
  void close();              // at once
  void closeIfIdle();        // at shutdown

 private:
  Task<bool> readRequest();
  Task<bool> answer();
  Task<void> refuse(int status, const char* text);
  Task<void> linger();
  void take(std::string_view bytes);
  void logAccess(const Request& request, const Exchange& exchange);

  std::shared_ptr<Site> site_;
  Peer peer_;
  std::string client_;
  std::unique_ptr<RequestParser> parser_;  // while a request is coming in or being answered
  std::string pending_;                    // received behind the present request
  unsigned answered_ = 0;
  bool idle_ = false;
};

}  // namespace vcfs::httpd
