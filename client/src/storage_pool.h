#pragma once

#include <map>
#include <memory>
#include <unordered_map>

#include "client/src/core/pace.h"
#include "common/async/signal.h"
#include "common/rpc/call.h"
#include "common/rpc/connection.h"
#include "schema/convert.h"
#include "vcfs/cluster.h"

namespace vcfs::client {

struct StorageLink;

// Something that must know at once when the connection to a storage server is lost.
class LinkUser {
 public:
  virtual ~LinkUser() = default;
  virtual void linkLost(const StorageLink& link) = 0;
  // Pings take long on it, the network to it does, and it is not busy. Told again and again as long as that is so.
  virtual void linkSlow(const StorageLink& link) = 0;
};

// A greeted connection to one storage server. Its pings renew the lease of every file this client writes there.
struct StorageLink {
  explicit StorageLink(schema::Storage::Client c) : storage(kj::mv(c)) {}

  bool alive() const { return connection->alive(); }
  // Until `key` is unregistered, `user` is told when the link is lost.
  void addUser(const void* key, std::weak_ptr<LinkUser> user) { users[key] = std::move(user); }
  void removeUser(const void* key) { users.erase(key); }

  std::shared_ptr<rpc::Connection> connection;
  schema::Storage::Client storage;
  StorageId id = 0;
  std::string name;
  std::unordered_map<const void*, std::weak_ptr<LinkUser>> users;
  TimePoint lastUsed;
  bool idle = false;  // closed as nobody used it
  Pace pace;
};

// One connection per storage server, made when it is first needed, closed when nobody used it for a minute.
// Loop thread only.
class StoragePool : public std::enable_shared_from_this<StoragePool> {
 public:
  StoragePool(Runtime& runtime, const ClusterOptions& options, ClientId client);
  // Servers that tell another uuid of their cluster than this one are not used.
  void onlyOf(std::function<std::string()> uuid) { uuid_ = std::move(uuid); }

  // The link to `storage` at `address`; null when there is none yet (then get() makes it).
  std::shared_ptr<StorageLink> find(const std::string& address, StorageId storage);
  // Connects if needed, to whichever of `servers` answers first: in their order, each some time after the one before it
  // unless that is out of the question already. Concurrent callers share the attempts, which go on when a caller's
  // `deadline` is over. Throws Error(timeout) then, and Error(unavailable, timeout) of the last of them when none
  // answers within connectLimit or is the server that it should be.
  Task<std::shared_ptr<StorageLink>> get(std::vector<Replica> servers, TimePoint deadline);
  void stop();
  std::size_t size() const { return links_.size(); }

 private:
  struct Attempt;
  std::shared_ptr<Attempt> begin(const std::string& address);
  Task<std::shared_ptr<StorageLink>> connect(std::string address);
  void requireOurs(const std::string& address, const std::string& uuid) const;
  Task<void> attempt(std::string address, std::shared_ptr<Attempt> attempt);
  void established(const std::string& address, const std::shared_ptr<StorageLink>& link);
  void lost(const std::string& address, StorageLink* link);
  void watch(StorageLink& link);
  void armSweep();
  void sweep();

  Runtime& runtime_;
  const ClusterOptions options_;
  std::function<std::string()> uuid_;
  const ClientId client_;
  std::unordered_map<std::string, std::shared_ptr<StorageLink>> links_;
  std::unordered_map<std::string, std::shared_ptr<Attempt>> attempts_;
  Signal attemptOver_;
  std::unique_ptr<Clock::Timer> sweepTimer_;
  bool stopped_ = false;
};

}  // namespace vcfs::client
