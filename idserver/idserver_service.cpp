#include "idserver/idserver_service.h"

#include <nlohmann/json.hpp>

#include "common/base/log.h"
#include "common/base/version.h"
#include "common/rpc/call.h"
#include "schema/convert.h"

namespace vcfs::idserver {

IdServer::IdServer(Runtime& runtime, BlockingPool& pool, RangeStore& store, IdServerOptions options)
    : runtime_(runtime),
      pool_(pool),
      store_(store),
      options_(std::move(options)),
      core_(options_.block),
      refilling_(runtime.io) {}

Task<IdRange> IdServer::lease(std::uint32_t count) {
  if (count == 0 || count > kMaxLease) {
    throw Error(Errc::invalid, "count must be 1 … " + std::to_string(kMaxLease));
  }
  for (;;) {
    if (std::optional<IdRange> range = core_.take(count)) {
      if (core_.refill(1) > 0 && !ahead_) {
        ahead_ = true;
        runtime_.spawn("idserver.refill", refillAhead());
      }
      co_return *range;
    }
    co_await refill(count);
  }
}

Task<void> IdServer::prepare() {
  if (core_.left() == 0) co_await refill(1);
}

Task<void> IdServer::refill(std::uint32_t count) {
  AsyncMutex::Lock lock = co_await refilling_.lock();
  std::uint64_t wanted = core_.refill(count);
  if (wanted == 0) co_return;  // somebody else's refill was enough
  RangeStore& store = store_;
  auto reserve = [&store, wanted] { return store.reserve(wanted); };
  IdRange range = co_await pool_.run(reserve);
  core_.add(range);
  log::debug("ids.reserved", {{"first", range.first}, {"count", range.count}});
}

Task<void> IdServer::refillAhead() {
  std::shared_ptr<IdServer> self = shared_from_this();
  try {
    co_await refill(1);
  } catch (const Error& e) {
    // A lease that finds nothing left asks again and gets the error itself.
    log::warn("ids.reserve_failed", {{"error", e.what()}});
  }
  ahead_ = false;
}

std::string IdServer::statusJson() const {
  nlohmann::json j = {{"address", options_.address}, {"state", "up"},        {"cluster", options_.cluster},
                      {"leased", core_.leased()},    {"next", core_.next()}, {"ready", core_.left()},
                      {"block", options_.block}};
  j["version"] = VCFS_VERSION;
  j["settings"] = options_.settings;
  j["clock_ns"] = runtime_.clock.wallNs();
  return j.dump();
}

namespace {

class Session final : public schema::IdServer::Server {
 public:
  Session(std::shared_ptr<IdServer> server, Runtime& runtime) : server_(std::move(server)), runtime_(runtime) {}

  kj::Promise<void> hello(HelloContext context) override {
    auto results = context.getResults();
    if (context.getParams().getProtocol() != schema::PROTOCOL_VERSION) {
      Error error(Errc::notSupported, "this ID server speaks protocol " + std::to_string(schema::PROTOCOL_VERSION));
      schema::fill(results.initStatus(), error);
      return kj::READY_NOW;
    }
    results.setCluster(server_->options().cluster);
    return kj::READY_NOW;
  }

  kj::Promise<void> ping(PingContext) override { return kj::READY_NOW; }

  kj::Promise<void> lease(LeaseContext context) override { return rpc::serve(runtime_, doLease(server_, context)); }

  kj::Promise<void> status(StatusContext context) override {
    context.getResults().setJson(server_->statusJson());
    return kj::READY_NOW;
  }

 private:
  static Task<void> doLease(std::shared_ptr<IdServer> server, LeaseContext context) {
    try {
      IdRange range = co_await server->lease(context.getParams().getCount());
      context.getResults().setFirst(range.first);
      context.getResults().setCount(static_cast<std::uint32_t>(range.count));
    } catch (const Error& e) {
      schema::fill(context.getResults().initStatus(), e);
    }
  }

  std::shared_ptr<IdServer> server_;
  Runtime& runtime_;
};

}  // namespace

capnp::Capability::Client IdServer::bootstrap(std::shared_ptr<IdServer> self, Runtime& runtime) {
  return schema::IdServer::Client(kj::heap<Session>(std::move(self), runtime));
}

}  // namespace vcfs::idserver
