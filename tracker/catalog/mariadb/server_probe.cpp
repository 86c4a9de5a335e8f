#include "tracker/catalog/mariadb/server_probe.h"

#include "tracker/catalog/mariadb/mariadb_connection.h"

namespace vcfs::tracker {

struct ServerProbe::State {
  Runtime& runtime;
  MariadbUrl url;
  std::chrono::milliseconds limit;
  std::function<void(std::size_t server)> hangs;  // empty: nobody wants to know any more
  std::set<std::size_t> asked;
  std::unique_ptr<BlockingPool> pool;
};

ServerProbe::ServerProbe(Runtime& runtime, MariadbUrl url, std::chrono::milliseconds limit,
                         std::function<void(std::size_t server)> hangs)
    : state_(new State{
          runtime, std::move(url), limit, std::move(hangs), {}, makeThreadPool(runtime.io, "catalog-probe")}) {}

ServerProbe::~ServerProbe() {
  state_->hangs = nullptr;
  state_->pool.reset();
}

void ServerProbe::suspect(std::size_t server) {
  if (!state_->asked.insert(server).second) return;
  state_->runtime.spawn("catalog.probe", ask(state_, server));
}

Task<void> ServerProbe::ask(std::shared_ptr<State> state, std::size_t server) {
  auto greet = [url = state->url, server, limit = state->limit] { return connects(url, server, limit); };
  const bool answers = co_await state->pool->run(std::move(greet));
  state->asked.erase(server);
  if (!answers && state->hangs) state->hangs(server);
}

}  // namespace vcfs::tracker
