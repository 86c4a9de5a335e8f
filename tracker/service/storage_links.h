#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/async/signal.h"
#include "common/rpc/connection.h"
#include "common/runtime/runtime.h"
#include "schema/storage.capnp.h"
#include "tracker/core/cluster_map.h"
#include "tracker/core/failover.h"
#include "tracker/ops/operations.h"
#include "vcfs/types.h"

namespace vcfs::tracker {

// The tracker's own connections to storage servers, made when they are needed and kept while they answer pings.
// Every call has a deadline and throws Error (unavailable, timeout, or what the server answered).
class StorageLinks {
 public:
  StorageLinks(Runtime& runtime, const ClusterMap& map, ClientId self, std::string host, Duration callLimit);

  Task<void> adopt(StorageId storage, Layout layout);
  struct Info {
    std::uint64_t size = 0;
    std::int64_t mtimeNs = 0;
    std::uint64_t blocks = 0;
    FileState state = FileState::none;
    std::uint32_t writers = 0;
  };
  Task<Info> stat(StorageId storage, Layout layout);
  // The primary serves nothing more in this epoch; who else has the same bytes.
  Task<std::vector<StorageId>> handOver(StorageId storage, Layout layout);
  // Of its replicas of these files (at most 1000), in this order.
  Task<std::vector<Standing>> standings(StorageId storage, std::vector<InodeId> inodes);
  // What its disk has of these files (at most 1000), whatever the catalog says.
  struct Stored {
    InodeId inode = 0;
    Epoch epoch = 0;  // 0: it cannot be read, or (salvage) it was not done
    std::uint64_t size = 0;
    std::int64_t mtimeNs = 0;
    std::uint64_t blocks = 0;
    bool gaps = false;  // bytes may be missing anywhere in it
  };
  Task<std::vector<Stored>> inspect(StorageId storage, std::vector<InodeId> inodes);
  // Storage.salvage(), of replicas that are behind.
  struct Salvage {
    Layout layout;
    std::uint64_t atMost = 0;
  };
  Task<std::vector<Stored>> salvage(StorageId storage, std::vector<Salvage> files, std::uint64_t loss);
  // What the server did not remove: its replica is of a newer epoch, or its disk does not delete it.
  Task<std::set<InodeId>> remove(StorageId storage, std::vector<ops::Removal> removals);
  void close();

 private:
  struct LinkState {
    explicit LinkState(asio::io_context& io) : mutex(io) {}
    std::shared_ptr<rpc::Connection> connection;
    std::string address;
    AsyncMutex mutex;
  };
  Task<std::shared_ptr<rpc::Connection>> get(StorageId storage);
  Task<std::shared_ptr<rpc::Connection>> open(std::string address);

  Runtime& runtime_;
  const ClusterMap& map_;
  ClientId self_;
  std::string host_;
  Duration callLimit_;
  std::map<StorageId, std::shared_ptr<LinkState>> links_;
};

}  // namespace vcfs::tracker
