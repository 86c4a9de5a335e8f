#include "common/base/error.h"
#include "common/base/log.h"
#include "schema/convert.h"
#include "tracker/service/coordinator.h"
#include "tracker/service/handlers.h"

// Sessions: hello, ping, watch.
namespace vcfs::tracker {

namespace {
constexpr std::size_t kMaxText = 4096;

// Others take no locks: that they are heard of says nothing of those who do.
bool mayLock(const Session& session) { return session.kind == "mount" || session.kind == "library"; }

std::string bounded(capnp::Text::Reader text, const char* what) {
  if (text.size() > kMaxText) throw Error(Errc::invalid, std::string("hello: ") + what + " is longer than 4096 bytes");
  return schema::toString(text);
}
}  // namespace

Handlers::Handlers(std::shared_ptr<TrackerCore> core, std::shared_ptr<Coordinator> coordinator,
                   std::shared_ptr<Session> session)
    : core_(std::move(core)), coordinator_(std::move(coordinator)), session_(std::move(session)) {}

Task<ops::Outcome> Handlers::mutate(ops::Request request, ops::RequestOp op, TrackerCore::Mutation mutation) {
  return mutate(request, op, Names(), std::move(mutation));
}

Task<ops::Outcome> Handlers::mutate(ops::Request request, ops::RequestOp op, Names names,
                                    TrackerCore::Mutation mutation) {
  return core_->mutate(session_->client, request, op, std::move(names), std::move(mutation));
}

Task<ops::Outcome> Handlers::makeName(ops::Request request, ops::RequestOp op, Names names,
                                      TrackerCore::Mutation mutation) {
  const InodeId directory = names.back().parent;
  NameRecall::Making making(core_->names, directory, session_->id);
  co_await core_->names.clear(directory, session_->id);
  co_return co_await mutate(request, op, std::move(names), std::move(mutation));
}

Task<void> Handlers::leaseNames(LeaseNamesContext context) {
  if (core_->catalog.shared()) throw Error(Errc::notSupported, "names are leased by a tracker that is the only one");
  if (core_->hub.watcherOf(session_->id) == nullptr) throw Error(Errc::invalid, "leaseNames: watch() comes first");
  const InodeId directory = context.getParams().getDirectory();
  auto op = [directory](SqlTx& tx) { return ops::parentOf(tx, directory); };
  co_await core_->catalog.read(std::move(op));  // it is a directory
  const bool granted = co_await core_->names.grant(directory, session_->id);
  context.getResults().setGranted(granted);
}

Task<void> Handlers::hello(HelloContext context) {
  auto params = context.getParams();
  if (params.getProtocol() != schema::PROTOCOL_VERSION) {
    throw Error(Errc::notSupported, "this tracker speaks protocol " + std::to_string(schema::PROTOCOL_VERSION) +
                                        ", the caller " + std::to_string(params.getProtocol()));
  }
  if (params.getClient() == 0) throw Error(Errc::invalid, "hello: the client id must not be 0");
  session_->host = bounded(params.getHost(), "host");
  session_->kind = bounded(params.getKind(), "kind");
  session_->path = bounded(params.getPath(), "path");
  session_->client = params.getClient();
  if (mayLock(*session_)) core_->lockGrace.heard(core_->runtime.clock.now());
  log::debug("session.hello",
             {{"client", log::hex(session_->client)}, {"kind", session_->kind}, {"host", session_->host}});
  auto results = context.getResults();
  results.setCluster(core_->cluster.name);
  results.setUuid(core_->cluster.uuid);
  results.setTracker(core_->options.address());
  std::vector<std::string> all = core_->options.trackers;
  if (all.empty()) all.push_back(core_->options.address());
  auto list = results.initTrackers(static_cast<unsigned>(all.size()));
  for (unsigned i = 0; i < list.size(); ++i) list.set(i, all[i]);
  co_return;
}

Task<void> Handlers::ping(PingContext) {
  core_->sole->check();
  if (mayLock(*session_)) core_->lockGrace.heard(core_->runtime.clock.now());
  co_return;
}

Task<void> Handlers::watch(WatchContext context) {
  auto params = context.getParams();
  if (!params.hasWatcher()) throw Error(Errc::invalid, "watch: no watcher");
  const bool peer = session_->kind == "tracker";
  core_->hub.add(session_->id, session_->client, peer, params.getWatcher(), session_->connection);
  const bool settles = !peer && core_->sole->grants() && core_->hub.trust(session_->id);
  if (settles) core_->sole->granted();
  context.getResults().setSettles(settles);
  co_return;
}

}  // namespace vcfs::tracker
