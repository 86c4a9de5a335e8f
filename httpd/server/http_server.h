#pragma once

#include <list>
#include <memory>
#include <string>

#include "httpd/server/connection.h"
#include "httpd/server/site.h"

namespace vcfs::httpd {

// Listens, accepts, and watches over the connections' deadlines. Loop thread only.
class HttpServer : public std::enable_shared_from_this<HttpServer> {
 public:
  // Binds at once, so that the port is known and a taken one is an error before anything else happens. Throws Error:
  // invalid (address), unavailable (port taken).
  HttpServer(Runtime& runtime, HttpOptions options);
  ~HttpServer();

  const std::string& address() const { return address_; }  // with the real port
  void start(std::shared_ptr<Cluster> cluster);            // from now on clients are answered
  // No new requests; those under way get `grace` to end.
  Task<void> stop(std::chrono::milliseconds grace);
  const Counters& counters() const { return site_->counters; }
  Site& site() { return *site_; }

 private:
  Task<void> acceptLoop();
  Task<void> reapLoop();
  void welcome(asio::ip::tcp::socket socket, const asio::ip::tcp::endpoint& peer);
  template <class Function>
  void forEach(Function function);

  Runtime& runtime_;
  std::shared_ptr<Site> site_;
  asio::ip::tcp::acceptor acceptor_;
  std::string address_;
  std::list<std::weak_ptr<Connection>> connections_;
  std::chrono::milliseconds tick_;
};

}  // namespace vcfs::httpd
