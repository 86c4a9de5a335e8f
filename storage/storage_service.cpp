#include "storage/storage_service.h"

#include "common/base/log.h"
#include "common/rpc/connection.h"
#include "storage/ops/calls.h"

namespace vcfs::storage {

namespace {

// Answers the calls of one connection.
class Endpoint final : public schema::Storage::Server {
 public:
  Endpoint(NodePtr node, std::shared_ptr<rpc::Connection> connection) : node_(std::move(node)) {
    session_->connection = connection;
  }

  kj::Promise<void> hello(HelloContext context) override {
    auto params = context.getParams();
    if (params.getProtocol() != schema::PROTOCOL_VERSION) {
      refuse(context,
             Error(Errc::notSupported, fmt::format("protocol version {}; this server speaks {}", params.getProtocol(),
                                                   static_cast<std::uint32_t>(schema::PROTOCOL_VERSION))));
      return kj::READY_NOW;
    }
    session_->client = params.getClient();
    session_->host = std::string(params.getHost().cStr()).substr(0, 255);
    auto results = context.getResults();
    results.setStorage(node_->self());
    results.setName(node_->options.name);
    results.setCluster(node_->trackers->cluster());
    results.setUuid(node_->trackers->uuid());
    return kj::READY_NOW;
  }

  kj::Promise<void> ping(PingContext) override {
    session_->heard = node_->runtime.clock.now();
    if (session_->client != 0) node_->clientAlive(session_->client);
    return kj::READY_NOW;
  }

  kj::Promise<void> write(WriteContext c) override { return opWrite(node_, session_, c); }
  kj::Promise<void> copyRange(CopyRangeContext c) override { return opCopyRange(node_, session_, c); }
  kj::Promise<void> read(ReadContext c) override { return opRead(node_, session_, c); }
  kj::Promise<void> sync(SyncContext c) override { return opSync(node_, session_, c); }
  kj::Promise<void> truncate(TruncateContext c) override { return opTruncate(node_, session_, c); }
  kj::Promise<void> allocate(AllocateContext c) override { return opAllocate(node_, session_, c); }
  kj::Promise<void> open(OpenContext c) override { return opOpen(node_, session_, c); }
  kj::Promise<void> close(CloseContext c) override { return opClose(node_, session_, c); }
  kj::Promise<void> stat(StatContext c) override { return opStat(node_, session_, c); }
  kj::Promise<void> waitGrowth(WaitGrowthContext c) override { return opWaitGrowth(node_, session_, c); }
  kj::Promise<void> seek(SeekContext c) override { return opSeek(node_, session_, c); }
  kj::Promise<void> replicate(ReplicateContext c) override { return opReplicate(node_, session_, c); }
  kj::Promise<void> replicateOp(ReplicateOpContext c) override { return opReplicateOp(node_, session_, c); }
  kj::Promise<void> adopt(AdoptContext c) override { return opAdopt(node_, session_, c); }
  kj::Promise<void> handOver(HandOverContext c) override { return opHandOver(node_, session_, c); }
  kj::Promise<void> standings(StandingsContext c) override { return opStandings(node_, c); }
  kj::Promise<void> salvage(SalvageContext c) override { return opSalvage(node_, c); }
  kj::Promise<void> fetch(FetchContext c) override { return opFetch(node_, session_, c); }
  kj::Promise<void> checksums(ChecksumsContext c) override { return opChecksums(node_, session_, c); }
  kj::Promise<void> remove(RemoveContext c) override { return opRemove(node_, session_, c); }
  kj::Promise<void> list(ListContext c) override { return opList(node_, session_, c); }
  kj::Promise<void> inspect(InspectContext c) override { return opInspect(node_, session_, c); }
  kj::Promise<void> catchUp(CatchUpContext c) override { return opCatchUp(node_, session_, c); }
  kj::Promise<void> status(StatusContext context) override {
    context.getResults().setJson(node_->statusJson());
    return kj::READY_NOW;
  }

 private:
  NodePtr node_;
  SessionPtr session_ = std::make_shared<Session>();
};

}  // namespace

StorageService::StorageService(Runtime& runtime, Store& store, Pools pools, Options options)
    : runtime_(runtime), node_(std::make_shared<Node>(runtime, store, std::move(pools), std::move(options))) {}

StorageService::~StorageService() {
  server_.reset();
  node_->abandon();
}

void StorageService::start() {
  NodePtr node = node_;
  server_ =
      std::make_unique<rpc::Server>(runtime_, node_->options.listen,
                                    [node](std::shared_ptr<rpc::Connection> connection) -> capnp::Capability::Client {
                                      return kj::heap<Endpoint>(node, std::move(connection));
                                    });
  address_ = node_->options.advertise.empty() ? server_->address() : node_->options.advertise;
  node_->start();
  node_->trackers->start(address_);
  log::info("storage.started", {{"name", node_->options.name}, {"address", address_}});
}

Task<void> StorageService::stop() {
  co_await node_->stop();
  server_.reset();
}

const std::string& StorageService::address() const { return address_; }

}  // namespace vcfs::storage
