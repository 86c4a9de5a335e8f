#pragma once

#include <capnp/rpc-twoparty.h>
#include <kj/function.h>

#include <functional>
#include <memory>
#include <string>

#include "common/rpc/transport.h"
#include "common/runtime/runtime.h"

namespace vcfs::rpc {

// An RPC session on a Link, at either end. Loop thread only. While calls are outstanding somebody must hold it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Client side. Throws as Transport::connect.
  static Task<std::shared_ptr<Connection>> connect(Runtime& runtime, std::string address, Duration limit);
  // Server side: `bootstrap` answers the peer's calls and is destroyed when the connection ends.
  static std::shared_ptr<Connection> serve(Runtime& runtime, std::unique_ptr<Link> link);

  ~Connection();

  // Client side. Calls of one whose session has ended fail with Error(unavailable).
  template <class Interface>
  typename Interface::Client bootstrap() {
    return bootstrapAny().castAs<Interface>();
  }
  void setBootstrap(capnp::Capability::Client bootstrap);  // server side, once, before the loop runs on

  bool alive() const;
  const std::string& peer() const;
  Link& link();
  std::shared_ptr<Connection> self() { return shared_from_this(); }

  // Ends the session: outstanding calls fail with Error(unavailable), onClosed() hooks run (once, from the loop).
  // `reason` must live as long as the connection.
  void close(const char* reason);
  const char* closeReason() const;  // empty while it is alive
  void onClosed(std::function<void()> hook);

  struct Pings {
    Duration interval;
    Duration limit;
    // A ping that has not arrived at the peer's host counts from the last moment in which bytes before it did; for at
    // most twice the limit. For bulk data over a bad cable, where a peer that is well would be given up for bytes that
    // were lost on the way to it. One that hangs or is cut off is noticed as ever.
    bool patient = false;
    // The largest message that is sent here, in bytes; 0: it does not matter. A ping behind such a one counts from the
    // last moment in which bytes before it arrived, until as many as that have since the peer was heard of: with fewer
    // it may have nothing to answer yet. For ways that take a second for one message. One that hangs is noticed later
    // there, by as long as its host takes for that many.
    std::uint64_t largest = 0;
    std::function<void()> eachTick = {};  // called every `interval`
  };
  // Calls `ping` every `interval`; when one is not answered within `limit`, close("no answer to ping"). This is how a
  // server that hangs or is cut off is noticed.
  void startPings(kj::Function<kj::Promise<void>()> ping, Pings how);
  void startPings(kj::Function<kj::Promise<void>()> ping, Duration interval, Duration limit) {
    startPings(kj::mv(ping), Pings{interval, limit});
  }
  // How long the last ping that was answered took, or how long one has been waiting, whichever is longer.
  Duration pingTime() const;

 private:
  struct Impl;
  explicit Connection(std::unique_ptr<Impl> impl);
  void startClient();
  capnp::Capability::Client bootstrapAny();
  void watch();
  void schedulePing();
  void pingTick();
  std::unique_ptr<Impl> impl_;
};

// Accepts connections at an address and gives each its own bootstrap object.
class Server {
 public:
  using Factory = std::function<capnp::Capability::Client(std::shared_ptr<Connection>)>;
  // `factory` gets a Connection that it may keep as a weak_ptr (for hold(), peer(), onClosed()).
  // Throws as Transport::listen.
  Server(Runtime& runtime, const std::string& address, Factory factory);
  ~Server();  // stops listening and closes every connection
  const std::string& address() const;
  std::size_t connections() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace vcfs::rpc
