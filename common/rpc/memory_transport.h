#pragma once

#include <map>
#include <memory>
#include <set>

#include "common/rpc/transport.h"

namespace vcfs {

// A network in memory for tests: whole clusters in one process, on a clock moved by hand. Messages are copied,
// delivered in order per direction, `delay` after they were sent. Links can be cut (silence, as a pulled cable) or
// reset (as a process that died). Loop thread only. All transports of one network share it and must not outlive it.
class MemoryNetwork {
 public:
  MemoryNetwork(asio::io_context& io, Clock& clock);
  ~MemoryNetwork();

  // Asked for every message; default none. Must not be negative.
  void setDelay(std::function<Duration(const std::string& from, const std::string& to)> delay);
  // From now on nothing gets from host `from` to host `to` (one direction). What is sent meanwhile or under way comes
  // when it is healed, in order, to links that still exist then: nothing is missing from the middle of a stream.
  void cut(const std::string& from, const std::string& to);
  void heal(const std::string& from, const std::string& to);
  // As if the process at `host` stood still (SIGSTOP): its kernel goes on to accept links and messages for it, which it
  // gets, in order, when it goes on. What it sent before is delivered.
  void stop(const std::string& host);
  void goOn(const std::string& host);
  // As if the process at `host` had died: its links end at both ends, its listeners are gone.
  void reset(const std::string& host);

  struct Impl;  // memory_transport.cpp's own

 private:
  friend class MemoryTransport;
  std::shared_ptr<Impl> impl_;
};

// The network as seen from one host. Addresses are "host:port" with any text as host.
class MemoryTransport final : public Transport {
 public:
  MemoryTransport(MemoryNetwork& network, std::string host);
  ~MemoryTransport() override;
  Task<std::unique_ptr<Link>> connect(std::string address, Duration limit) override;
  std::unique_ptr<Listener> listen(std::string address, std::function<void(std::unique_ptr<Link>)> accepted) override;

 private:
  std::shared_ptr<MemoryNetwork::Impl> network_;
  std::string host_;
};

}  // namespace vcfs
