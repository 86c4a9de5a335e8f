#include "tracker/service/storage_links.h"

#include "common/base/error.h"
#include "common/rpc/call.h"
#include "schema/convert.h"

namespace vcfs::tracker {

namespace {
constexpr Duration kPingInterval = std::chrono::milliseconds(500);
constexpr Duration kPingLimit = std::chrono::seconds(1);
constexpr Duration kRemoveLimit = std::chrono::seconds(30);  // up to 1000 files are deleted, or cut and synced
constexpr Duration kInspectLimit = std::chrono::seconds(5);

template <class Request>
void address(Request& request, const Layout& layout) {
  request.setInode(layout.inode);
  request.setEpoch(layout.epoch);
  schema::fill(request.initLayout(), layout);
}
}  // namespace

StorageLinks::StorageLinks(Runtime& runtime, const ClusterMap& map, ClientId self, std::string host, Duration callLimit)
    : runtime_(runtime), map_(map), self_(self), host_(std::move(host)), callLimit_(callLimit) {}

void StorageLinks::close() {
  for (auto& [id, link] : links_) {
    if (link->connection) link->connection->close("the tracker stops");
  }
  links_.clear();
}

Task<std::shared_ptr<rpc::Connection>> StorageLinks::open(std::string address) {
  auto connection = co_await rpc::Connection::connect(runtime_, address, callLimit_);
  auto storage = connection->bootstrap<schema::Storage>();
  auto hello = storage.helloRequest();
  hello.setProtocol(schema::PROTOCOL_VERSION);
  hello.setClient(self_);
  hello.setHost(host_);
  auto response = co_await rpc::call(runtime_, hello.send(), callLimit_);
  schema::check(response.getStatus());
  auto ping = [storage]() mutable -> kj::Promise<void> { return storage.pingRequest().send().ignoreResult(); };
  connection->startPings(std::move(ping), kPingInterval, kPingLimit);
  co_return connection;
}

Task<std::shared_ptr<rpc::Connection>> StorageLinks::get(StorageId storage) {
  const std::string address = map_.address(storage);
  if (address.empty()) throw Error(Errc::unavailable, "storage server " + std::to_string(storage) + " is not known");
  auto& slot = links_[storage];
  if (!slot) slot = std::make_shared<LinkState>(runtime_.io);
  auto link = slot;
  if (link->connection && link->connection->alive() && link->address == address) co_return link->connection;
  auto lock = co_await link->mutex.lock();
  if (link->connection && link->connection->alive() && link->address == address) co_return link->connection;
  link->connection = nullptr;
  auto connection = co_await open(address);
  link->connection = connection;
  link->address = address;
  co_return connection;
}

Task<void> StorageLinks::adopt(StorageId storage, Layout layout) {
  auto connection = co_await get(storage);
  auto request = connection->bootstrap<schema::Storage>().adoptRequest();
  schema::fill(request.initLayout(), layout);
  auto response = co_await rpc::call(runtime_, request.send(), callLimit_);
  schema::check(response.getStatus());
}

Task<StorageLinks::Info> StorageLinks::stat(StorageId storage, Layout layout) {
  auto connection = co_await get(storage);
  auto request = connection->bootstrap<schema::Storage>().statRequest();
  address(request, layout);
  auto response = co_await rpc::call(runtime_, request.send(), callLimit_);
  schema::check(response.getStatus());
  auto info = response.getInfo();
  Info result;
  result.size = info.getSize();
  result.mtimeNs = info.getMtimeNs();
  result.blocks = info.getBlocks();
  result.state = static_cast<FileState>(std::min<int>(static_cast<int>(info.getState()), 3));
  result.writers = info.getWriters();
  co_return result;
}

Task<std::vector<StorageId>> StorageLinks::handOver(StorageId storage, Layout layout) {
  auto connection = co_await get(storage);
  auto request = connection->bootstrap<schema::Storage>().handOverRequest();
  address(request, layout);
  auto response = co_await rpc::call(runtime_, request.send(), callLimit_);
  schema::check(response.getStatus());
  std::vector<StorageId> equal;
  for (StorageId other : response.getEqual()) equal.push_back(other);
  co_return equal;
}

namespace {
Standing toStanding(schema::Standing standing) {
  switch (standing) {
    case schema::Standing::GOOD:
      return Standing::good;
    case schema::Standing::RESTARTED:
      return Standing::restarted;
    case schema::Standing::DOUBTFUL:
      return Standing::doubtful;
    default:
      return Standing::silent;
  }
}
}  // namespace

Task<std::vector<Standing>> StorageLinks::standings(StorageId storage, std::vector<InodeId> inodes) {
  auto connection = co_await get(storage);
  auto request = connection->bootstrap<schema::Storage>().standingsRequest();
  auto list = request.initInodes(static_cast<unsigned>(inodes.size()));
  for (unsigned i = 0; i < list.size(); ++i) list.set(i, inodes[i]);
  auto response = co_await rpc::call(runtime_, request.send(), callLimit_);
  schema::check(response.getStatus());
  std::vector<Standing> standings;
  for (auto standing : response.getStandings()) standings.push_back(toStanding(standing));
  if (standings.size() != inodes.size()) throw Error(Errc::internal, "standings: an answer of another length");
  co_return standings;
}

namespace {
std::vector<StorageLinks::Stored> toStored(capnp::List<schema::StoredReplica>::Reader list) {
  std::vector<StorageLinks::Stored> all;
  for (auto one : list) {
    StorageLinks::Stored stored;
    stored.inode = one.getInode();
    stored.epoch = one.getEpoch();
    stored.size = one.getSize();
    stored.mtimeNs = one.getMtimeNs();
    stored.blocks = one.getBlocks();
    stored.gaps = one.getMayHaveGaps();
    all.push_back(stored);
  }
  return all;
}
}  // namespace

Task<std::vector<StorageLinks::Stored>> StorageLinks::inspect(StorageId storage, std::vector<InodeId> inodes) {
  auto connection = co_await get(storage);
  auto request = connection->bootstrap<schema::Storage>().inspectRequest();
  auto list = request.initInodes(static_cast<unsigned>(inodes.size()));
  for (unsigned i = 0; i < list.size(); ++i) list.set(i, inodes[i]);
  auto response = co_await rpc::call(runtime_, request.send(), kInspectLimit);
  schema::check(response.getStatus());
  co_return toStored(response.getReplicas());
}

Task<std::vector<StorageLinks::Stored>> StorageLinks::salvage(StorageId storage, std::vector<Salvage> files,
                                                              std::uint64_t loss) {
  auto connection = co_await get(storage);
  auto request = connection->bootstrap<schema::Storage>().salvageRequest();
  auto list = request.initFiles(static_cast<unsigned>(files.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    schema::fill(list[i].initLayout(), files[i].layout);
    list[i].setAtMost(files[i].atMost);
  }
  request.setLoss(loss);
  auto response = co_await rpc::call(runtime_, request.send(), kRemoveLimit);
  schema::check(response.getStatus());
  std::vector<Stored> kept = toStored(response.getKept());
  if (kept.size() != files.size()) throw Error(Errc::internal, "salvage: an answer of another length");
  co_return kept;
}

Task<std::set<InodeId>> StorageLinks::remove(StorageId storage, std::vector<ops::Removal> removals) {
  auto connection = co_await get(storage);
  auto request = connection->bootstrap<schema::Storage>().removeRequest();
  auto inodes = request.initInodes(static_cast<unsigned>(removals.size()));
  auto epochs = request.initEpochs(static_cast<unsigned>(removals.size()));
  for (unsigned i = 0; i < inodes.size(); ++i) {
    inodes.set(i, removals[i].inode);
    epochs.set(i, removals[i].upTo);
  }
  auto response = co_await rpc::call(runtime_, request.send(), kRemoveLimit);
  schema::check(response.getStatus());
  std::set<InodeId> kept;
  for (InodeId inode : response.getKept()) kept.insert(inode);
  co_return kept;
}

}  // namespace vcfs::tracker
