#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/rpc/connection.h"
#include "common/runtime/runtime.h"
#include "tracker/service/watch_hub.h"

namespace vcfs::tracker {

// The other trackers: a session to each, kept up, over which they tell what was changed there, so that clients of this
// tracker hear of it too. It also shows which trackers are alive (the coordinator's candidate is one of them).
class Peers : public std::enable_shared_from_this<Peers> {
 public:
  Peers(Runtime& runtime, WatchHub& hub, ClientId self, std::string ownAddress, std::vector<std::string> others,
        Duration callLimit);
  void start();
  void stop();

  struct Peer {
    std::string address;
    std::shared_ptr<rpc::Connection> connection;  // null or dead: unreachable
    bool live() const { return connection && connection->alive(); }
  };
  const std::vector<Peer>& peers() const { return peers_; }
  std::string firstLive() const;  // empty when there is none

 private:
  class Listener;
  Task<void> keep(std::size_t index);
  Task<void> session(std::size_t index);
  static Task<void> heard(std::shared_ptr<Peers> peers);

  Runtime& runtime_;
  WatchHub& hub_;
  ClientId self_;
  std::string ownAddress_;
  Duration callLimit_;
  std::vector<Peer> peers_;
  bool stopped_ = false;
};

}  // namespace vcfs::tracker
