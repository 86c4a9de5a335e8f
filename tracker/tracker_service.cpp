#include "tracker/tracker_service.h"

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/rpc/call.h"
#include "schema/convert.h"
#include "tracker/service/handlers.h"

namespace vcfs::tracker {

namespace {

// The border where an Error becomes an answer. Holds the session's handlers alive while the call runs.
template <class Context>
Task<void> answer(std::shared_ptr<Handlers> handlers, Context context, Task<void> (Handlers::*method)(Context)) {
  std::optional<Error> failure;
  try {
    co_await ((*handlers).*method)(context);
  } catch (const Error& error) {
    failure = error;
  } catch (const asio::system_error&) {
    failure = Error(Errc::cancelled);
  } catch (const std::exception& error) {
    log::error("tracker.call_failed", {{"reason", error.what()}});
    failure = Error(Errc::internal, error.what());
  }
  if constexpr (requires { context.getResults().initStatus(); }) {
    if (failure) schema::fill(context.getResults().initStatus(), *failure);
  } else {
    if (failure) throw *failure;
  }
}

class TrackerServer final : public schema::Tracker::Server {
 public:
  TrackerServer(Runtime& runtime, std::shared_ptr<Handlers> handlers)
      : runtime_(runtime), handlers_(std::move(handlers)) {}

#define VCFS_ANSWER(method, Name)                                               \
  kj::Promise<void> method(Name##Context context) override {                    \
    return rpc::serve(runtime_, answer(handlers_, context, &Handlers::method)); \
  }
  VCFS_TRACKER_METHODS(VCFS_ANSWER)
#undef VCFS_ANSWER

 private:
  Runtime& runtime_;
  std::shared_ptr<Handlers> handlers_;
};

void endSession(TrackerCore& core, Session& session) {
  core.hub.remove(session.id);
  core.names.drop(session.id);
  if (session.storage != 0) {
    const StorageServer* server = core.map.find(session.storage);
    const bool lost = core.map.disconnected(session.storage, session.id, core.runtime.clock.now());
    if (lost) log::warn("storage.disconnected", {{"name", server->name}});
  }
  core.sessions.erase(session.id);
}

}  // namespace

TrackerService::TrackerService(Runtime& runtime, Catalog& catalog, TrackerOptions options)
    : core_(std::make_shared<TrackerCore>(runtime, catalog, std::move(options))),
      coordinator_(std::make_shared<Coordinator>(core_)) {}

TrackerService::~TrackerService() { stop(); }

Task<void> TrackerService::start() {
  co_await core_->start();
  auto factory = [this](std::shared_ptr<rpc::Connection> connection) { return accept(std::move(connection)); };
  server_ = std::make_unique<rpc::Server>(core_->runtime, core_->options.listen, std::move(factory));
  coordinator_->start();
  log::info("tracker.started",
            {{"address", server_->address()}, {"cluster", core_->cluster.name}, {"catalog", core_->catalog.engine()}});
}

void TrackerService::stop() {
  if (core_->stopped) return;
  coordinator_->stop();
  core_->stop();
  server_.reset();
}

capnp::Capability::Client TrackerService::accept(std::shared_ptr<rpc::Connection> connection) {
  auto session = std::make_shared<Session>();
  session->id = ++nextSession_;
  session->peer = connection->peer();
  session->connection = connection;
  core_->sessions[session->id] = session;
  connection->onClosed([core = core_, session] { endSession(*core, *session); });
  auto handlers = std::make_shared<Handlers>(core_, coordinator_, session);
  return kj::heap<TrackerServer>(core_->runtime, std::move(handlers));
}

}  // namespace vcfs::tracker
