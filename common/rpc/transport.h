#pragma once

#include <capnp/serialize-async.h>

#include <functional>
#include <memory>
#include <string>

#include "common/runtime/clock.h"

// How bytes of RPC travel. Two versions: TCP (tcp_transport.h) and in-memory pairs for tests (memory_transport.h).
namespace vcfs {

// One connection's message stream. Owned by one rpc::Connection.
class Link {
 public:
  virtual ~Link() = default;
  virtual capnp::MessageStream& stream() = 0;
  virtual const std::string& peer() const = 0;  // "host:port"
  // `owner` lives until the message with `data` as a segment, given to Cap'n Proto right after this, has left (or, if
  // it never comes, one of a minute later), or the link is gone: large bodies need not be copied; see bulk.h.
  virtual void hold(const void* data, std::shared_ptr<const void> owner) = 0;
  // Bytes received so far, of messages that are not whole yet too: progress here means that the peer is alive, or was
  // when its kernel took what it is sending.
  virtual std::uint64_t received() const = 0;
  // Bytes given to this link so far, and how many of them have arrived at the peer's host: progress in the second means
  // that the way there carries, whether or not the peer's process lives.
  virtual std::uint64_t sent() const = 0;
  virtual std::uint64_t arrived() const = 0;
  // How long the network takes to the peer's host and back, smoothed over the last messages; without what the peer's
  // process needs for an answer. Zero while it is not known.
  virtual Duration roundTrip() const = 0;
  // Reads and writes end with an error from now on. Idempotent.
  virtual void close() = 0;
};

class Listener {
 public:
  virtual ~Listener() = default;                   // stops listening
  virtual const std::string& address() const = 0;  // with the real port where 0 was asked for
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Throws Error(unavailable) with the address and the reason, Error(timeout) after `limit`.
  virtual Task<std::unique_ptr<Link>> connect(std::string address, Duration limit) = 0;
  // Throws Error(invalid) for an address that is none, Error(unavailable) when the port is taken.
  virtual std::unique_ptr<Listener> listen(std::string address,
                                           std::function<void(std::unique_ptr<Link>)> accepted) = 0;
};

}  // namespace vcfs
