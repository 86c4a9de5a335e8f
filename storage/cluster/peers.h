#pragma once

#include <kj/function.h>

#include <list>

#include "common/rpc/connection.h"
#include "schema/storage.capnp.h"
#include "storage/options.h"
#include "vcfs/types.h"

namespace vcfs::storage {

// An established connection to another storage server.
struct PeerSession : std::enable_shared_from_this<PeerSession> {
  std::shared_ptr<rpc::Connection> connection;
  schema::Storage::Client client = nullptr;
  std::uint64_t number = 0;         // unique; a new one after every reconnect
  std::list<TimePoint> unanswered;  // until when each forwarded call must be answered
};

// Connections to other storage servers, one per address, made when needed and watched by pings. Loop thread only.
class Peers {
 public:
  // `lost(address)` is called when an established connection ended.
  Peers(Runtime& runtime, const Options& options, std::function<void(const std::string& address)> lost);
  ~Peers();
  void setIdentity(ClientId client, std::string host);

  // Calls `send` with the session of `address`, in order per address; in this very call when it is up. With null when
  // it cannot be reached or is not the storage `expected`.
  void withSession(const std::string& address, StorageId expected, kj::Function<void(PeerSession*)> send);
  // The same for coroutines; throws Error(unavailable).
  Task<std::shared_ptr<PeerSession>> session(std::string address, StorageId expected);
  // Ends sessions that owe an answer whose time is over.
  void dropHung();
  // Ends all sessions; what waits for one is dropped without being called.
  void closeAll();
  std::size_t connected() const;

 private:
  struct Peer;
  Task<void> connect(std::shared_ptr<Peer> peer);
  void flush(Peer& peer);

  Runtime& runtime_;
  const Options& options_;
  std::function<void(const std::string&)> lost_;
  std::map<std::string, std::shared_ptr<Peer>> peers_;
  std::uint64_t nextSession_ = 1;
  ClientId client_ = 1;
  std::string host_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace vcfs::storage
