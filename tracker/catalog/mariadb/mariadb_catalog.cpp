#include "tracker/catalog/mariadb/mariadb_catalog.h"

#include <errmsg.h>

#include <algorithm>

#include "common/base/log.h"
#include "tracker/catalog/mariadb/mariadb_migrate.h"

namespace vcfs::tracker {

namespace {

constexpr Duration kSayAgain = std::chrono::seconds(10);
constexpr std::size_t kMostDeferred = 1'000'000;  // bytes, before the next operation of a batch

bool isRead(const char* sql) {
  return std::string_view(sql).starts_with("SELECT") || std::string_view(sql).starts_with("WITH");
}

// An operation's transaction. Remembers whether the server was sent any write of it, so that an operation that failed
// before need not be rolled back.
class MariadbTx final : public SqlTx {
 public:
  MariadbTx(MariadbConnection& connection, bool writing)
      : connection_(connection), writing_(writing), mark_(connection.deferred()) {}
  Task<Rows> execute(const Statement& statement, std::vector<Value> values) override {
    sending(!isRead(statement.text));
    return connection_.run(statement, std::move(values), writing_);
  }
  Task<std::vector<Rows>> executeAll(std::vector<Query> queries) override {
    const auto writes = [](const Query& query) { return !isRead(query.statement().text); };
    sending(std::any_of(queries.begin(), queries.end(), writes));
    return connection_.runAll(std::move(queries), writing_);
  }
  void writeLater(Query query) override {
    if (!writing_) throw Error(Errc::internal, "a reading operation wants to write");
    connection_.defer(query, writing_);
  }
  bool elsewhere() const override { return true; }
  // The operation failed: what it deferred is not done. False: some of it was sent, the transaction must be rolled
  // back.
  bool takeBack() {
    connection_.forget(std::min(mark_, connection_.deferred()));
    return !wrote_;
  }

 private:
  void sending(bool write) {
    if (write || connection_.deferred() > mark_) wrote_ = true;
    mark_ = 0;  // all that waits goes with it
  }

  MariadbConnection& connection_;
  bool writing_;
  std::size_t mark_;  // what was deferred before this operation
  bool wrote_ = false;
};

bool canRepeat(const std::exception_ptr& error) {
  if (!error) return false;
  try {
    std::rethrow_exception(error);
  } catch (const MariadbError& e) {
    return e.cure() != Cure::none;
  } catch (...) {
    return false;
  }
}

MariadbError noServer(const std::string& why) {
  return MariadbError(CR_CONN_HOST_ERROR, why.empty() ? "its servers failed a moment ago" : why);
}

}  // namespace

struct MariadbCatalog::Pending {
  explicit Pending(asio::io_context& io) : finished(io) {}
  Body body;
  TimePoint deadline;
  std::exception_ptr error;
  bool done = false;
  bool givenUp = false;  // by its caller
  Signal finished;
};

struct MariadbCatalog::Slot {
  std::unique_ptr<MariadbConnection> connection;
  std::size_t server = 0;
};

struct MariadbCatalog::Batch {
  std::vector<std::shared_ptr<Pending>> operations;
  std::exception_ptr failure;  // of the transaction as a whole
  bool mixed = false;          // an operation failed after it had written: each must run by itself
};

MariadbCatalog::MariadbCatalog(Runtime& runtime, MariadbOptions options, bool flushes)
    : runtime_(runtime),
      options_(std::move(options)),
      flushes_(flushes),
      connecting_(makeThreadPool(runtime.io, "catalog-connect")),
      connectOne_(std::make_shared<AsyncMutex>(runtime.io)),
      choice_(options_.url.servers.size()),
      arrived_(runtime.io),
      readerFree_(runtime.io) {
  if (options_.url.servers.size() > 1) {
    auto hangs = [this](std::size_t server) { leave(server); };
    probe_ = std::make_shared<ServerProbe>(runtime_, options_.url, options_.connectLimit, std::move(hangs));
  }
  const int writers = std::max(1, options_.connections / 2);
  for (int i = 0; i < std::max(2, options_.connections); ++i) {
    auto slot = std::make_shared<Slot>();
    slots_.push_back(slot);
    if (i >= writers) {
      idleReaders_.push_back(std::move(slot));
      continue;
    }
    writers_.push_back(slot);
    runtime_.spawn("catalog.writer", writer(std::move(slot)));
  }
}

MariadbCatalog::~MariadbCatalog() {
  *alive_ = false;
  probe_.reset();
  arrived_.notifyAll();
  readerFree_.notifyAll();
}

namespace {

struct Session {
  MYSQL* mysql = nullptr;
  bool galera = false;
};

// Blocks.
Session openSession(const MariadbUrl& url, std::size_t server, std::chrono::milliseconds limit,
                    std::chrono::milliseconds answerLimit) {
  Session session;
  session.mysql = connectBlocking(url, server, limit, answerLimit);
  try {
    session.galera = isGaleraNode(session.mysql);
  } catch (...) {
    mysql_close(session.mysql);
    throw;
  }
  return session;
}

// One server after the other until one lets itself be asked. Blocks.
bool migrateAtAny(const MariadbUrl& url, std::chrono::milliseconds connectLimit, std::chrono::milliseconds limit) {
  for (std::size_t server = 0;; ++server) {
    MYSQL* mysql = nullptr;
    try {
      mysql = openSession(url, server, connectLimit, limit).mysql;
      migrateMariadb(mysql);
      const bool stable = commitsAreStable(mysql);
      mysql_close(mysql);
      return stable;
    } catch (const MariadbError& error) {
      if (mysql != nullptr) mysql_close(mysql);
      if (error.cure() != Cure::reconnect || server + 1 >= url.servers.size()) throw;
    } catch (...) {
      if (mysql != nullptr) mysql_close(mysql);
      throw;
    }
  }
}

}  // namespace

Task<std::unique_ptr<MariadbCatalog>> MariadbCatalog::open(Runtime& runtime, MariadbOptions options) {
  auto pool = makeThreadPool(runtime.io, "catalog-open");
  const MariadbUrl url = options.url;
  const auto connectLimit = options.connectLimit;
  const auto limit = options.migrateLimit;
  auto prepare = [url, connectLimit, limit] { return migrateAtAny(url, connectLimit, limit); };
  const TimePoint deadline = runtime.clock.now() + limit;
  for (;;) {
    std::optional<MariadbError> failure;
    try {
      const bool stable = co_await pool->run(prepare);
      co_return std::unique_ptr<MariadbCatalog>(new MariadbCatalog(runtime, std::move(options), stable));
    } catch (const MariadbError& error) {
      failure = error;
    }
    // Trackers that change the schema at different Galera nodes meet as deadlocks; steps can be repeated. A database
    // that is not there is said at once.
    if (failure->cure() != Cure::repeat || runtime.clock.now() >= deadline) throw *failure;
    co_await runtime.clock.sleep(Patience::kLongest);
  }
}

Task<void> MariadbCatalog::ready(Slot& slot) {
  if (!slot.connection || !slot.connection->usable()) co_await connect(slot);
}

Task<void> MariadbCatalog::connect(Slot& slot) {
  slot.connection.reset();
  auto alive = alive_;
  const auto mutex = connectOne_;
  auto lock = co_await mutex->lock();
  if (!*alive) throw Error(Errc::cancelled);
  std::string why;
  while (auto server = choice_.next(runtime_.clock.now())) {
    auto open = [url = options_.url, at = *server, limit = options_.connectLimit] {
      return openSession(url, at, limit, limit);
    };
    MYSQL* mysql = nullptr;
    bool galera = false;
    bool silent = false;
    try {
      const Session session = co_await connecting_->run(std::move(open));
      mysql = session.mysql;
      galera = session.galera;
    } catch (const MariadbError& error) {
      if (error.cure() == Cure::none) throw;
      why = error.what();
      silent = !error.byServer();
    }
    if (!*alive) {
      if (mysql != nullptr) mysql_close(mysql);
      throw Error(Errc::cancelled);
    }
    if (mysql == nullptr) {
      choice_.failed(*server, runtime_.clock.now());
      if (silent) leave(*server);
      continue;
    }
    choice_.worked(*server);
    slot.server = *server;
    std::function<void()> slow;
    if (probe_) {
      slow = [weak = std::weak_ptr(probe_), at = *server] {
        if (auto probe = weak.lock()) probe->suspect(at);
      };
    }
    slot.connection =
        std::make_unique<MariadbConnection>(runtime_, mysql, galera, options_.statementLimit, std::move(slow));
    co_return;
  }
  throw noServer(why);
}

// After a failure: a connection that cannot be used goes; others need not wait for a server that is silent.
void MariadbCatalog::retire(Slot& slot) {
  if (!slot.connection || slot.connection->usable()) return;
  if (slot.connection->serverUnfit()) {
    choice_.failed(slot.server, runtime_.clock.now());
    sayLeft(slot.server);
  }
  slot.connection.reset();
}

void MariadbCatalog::sayLeft(std::size_t server) {
  // Nodes that are not ready say so at every attempt.
  const TimePoint now = runtime_.clock.now();
  if (now - saidAt_ < kSayAgain) return;
  saidAt_ = now;
  log::warn("catalog.server_left", {{"server", options_.url.servers[server].host}});
}

void MariadbCatalog::leave(std::size_t server) {
  choice_.failed(server, runtime_.clock.now());
  sayLeft(server);
  for (auto& slot : slots_) {
    if (slot->connection && slot->server == server) slot->connection->abandon();
  }
}

// ---- writing

Task<void> MariadbCatalog::writeBody(Body body, Durability durability) {
  if (queue_.size() >= options_.maxQueued) throw Error(Errc::overloaded, "the catalog has too many operations waiting");
  auto pending = std::make_shared<Pending>(runtime_.io);
  pending->body = std::move(body);
  pending->deadline = runtime_.clock.now() + options_.budget;
  queue_.push_back(pending);
  arrived_.notifyAll();
  Clock& clock = runtime_.clock;
  while (!pending->done) {
    const Duration left = pending->deadline - clock.now();
    if (left <= Duration::zero()) {
      pending->givenUp = true;
      throw Error(Errc::unavailable, "the catalog does not answer in time");
    }
    co_await pending->finished.waitFor(clock, left);
  }
  if (pending->error) std::rethrow_exception(pending->error);
  if (durability == Durability::stable) co_await sync();
}

Task<void> MariadbCatalog::writer(std::shared_ptr<Slot> slot) {
  auto alive = alive_;
  while (*alive) {
    if (queue_.empty()) {
      co_await arrived_.wait();
      continue;
    }
    Batch batch;
    takeBatch(batch);
    if (batch.operations.empty()) continue;
    co_await runBatch(*slot, batch);
    if (!*alive) co_return;
    finish(batch.operations);
  }
}

// Whoever waited too long has been told so; what was not begun is not begun any more.
void MariadbCatalog::takeBatch(Batch& batch) {
  const TimePoint now = runtime_.clock.now();
  while (!queue_.empty() && batch.operations.size() < options_.maxBatch) {
    if (now < queue_.front()->deadline) batch.operations.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
}

void MariadbCatalog::finish(std::vector<std::shared_ptr<Pending>>& operations) {
  bool late = false;
  for (auto& operation : operations) {
    if (operation->givenUp && !operation->error) late = true;
    operation->body = nullptr;
    operation->done = true;
    operation->finished.notifyAll();
  }
  if (late && late_) late_();
}

Task<void> MariadbCatalog::runBatch(Slot& slot, Batch& batch) {
  auto alive = alive_;
  Patience patience(batch.operations.front()->deadline);
  for (;;) {
    batch.failure = nullptr;
    for (auto& operation : batch.operations) operation->error = nullptr;
    co_await attempt(slot, batch);
    if (!*alive) co_return;
    if (batch.mixed && batch.operations.size() > 1) break;
    if (!batch.failure) co_return;
    const auto pause = canRepeat(batch.failure) ? patience.pause(runtime_.clock.now()) : std::nullopt;
    if (!pause) {
      for (auto& operation : batch.operations) operation->error = batch.failure;
      co_return;
    }
    co_await runtime_.clock.sleep(*pause);
    if (!*alive) co_return;
  }
  // Rare: one by one, each with its own outcome.
  for (auto& operation : batch.operations) {
    co_await runAlone(slot, operation);
    if (!*alive) co_return;
  }
}

// One operation in a transaction of its own.
Task<void> MariadbCatalog::runAlone(Slot& slot, std::shared_ptr<Pending> pending) {
  auto alive = alive_;
  Patience patience(pending->deadline);
  for (;;) {
    Batch alone;
    alone.operations.push_back(pending);
    pending->error = nullptr;
    co_await attempt(slot, alone);
    if (!*alive || (!alone.failure && !alone.mixed)) co_return;
    if (alone.mixed) co_return;  // rolled back, with its own error
    const auto pause = canRepeat(alone.failure) ? patience.pause(runtime_.clock.now()) : std::nullopt;
    if (!pause) {
      pending->error = alone.failure;
      co_return;
    }
    co_await runtime_.clock.sleep(*pause);
    if (!*alive) co_return;
  }
}

// Runs the batch in one transaction, once. On return it is committed, or batch.failure or batch.mixed says why not.
Task<void> MariadbCatalog::attempt(Slot& slot, Batch& batch) {
  auto alive = alive_;
  try {
    co_await ready(slot);
    co_await transaction(*slot.connection, batch);
  } catch (...) {
    batch.failure = std::current_exception();
  }
  if ((!batch.failure && !batch.mixed) || !*alive) co_return;
  retire(slot);
  if (!slot.connection) co_return;
  try {
    slot.connection->forget(0);
    co_await slot.connection->command("ROLLBACK");
  } catch (const Error&) {
    if (*alive) slot.connection.reset();
  }
}

// Throws what a repeat may cure.
Task<void> MariadbCatalog::transaction(MariadbConnection& connection, Batch& batch) {
  connection.begin();
  for (auto& operation : batch.operations) {
    co_await operate(connection, *operation, batch);
    if (batch.mixed) co_return;
  }
  std::exception_ptr failure;
  try {
    co_await connection.command("COMMIT");
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return;
  if (canRepeat(failure)) std::rethrow_exception(failure);
  // One of the writes that went with it: alone, it is known whose.
  batch.mixed = true;
  if (batch.operations.size() == 1) batch.operations.front()->error = failure;
}

Task<void> MariadbCatalog::operate(MariadbConnection& connection, Pending& operation, Batch& batch) {
  MariadbTx tx(connection, true);
  try {
    co_await operation.body(tx);
    // A message has its limit.
    if (connection.deferredBytes() > kMostDeferred) co_await connection.flush();
    // Whoever caught an error may have caught that of a write that was not his.
    if (connection.deferredFailed()) throw Error(Errc::internal, "catalog: an operation went on after a failed write");
    co_return;
  } catch (...) {
    operation.error = std::current_exception();
  }
  if (canRepeat(operation.error)) std::rethrow_exception(operation.error);
  // What failed may be what an operation before this one had deferred.
  const bool others = connection.deferredFailed();
  if (!tx.takeBack() || others) batch.mixed = true;
}

// ---- reading

Task<std::shared_ptr<MariadbCatalog::Slot>> MariadbCatalog::takeReader(TimePoint deadline) {
  auto alive = alive_;
  while (idleReaders_.empty()) {
    const Duration left = deadline - runtime_.clock.now();
    if (left <= Duration::zero()) throw Error(Errc::unavailable, "every connection to the catalog is busy");
    co_await readerFree_.waitFor(runtime_.clock, left);
    if (!*alive) throw Error(Errc::cancelled);
  }
  auto slot = idleReaders_.front();
  idleReaders_.pop_front();
  co_return slot;
}

void MariadbCatalog::giveReader(std::shared_ptr<Slot> slot) {
  idleReaders_.push_front(std::move(slot));
  readerFree_.notifyAll();
}

Task<void> MariadbCatalog::readBody(Body body) {
  auto alive = alive_;
  const TimePoint deadline = runtime_.clock.now() + options_.budget;
  Patience patience(deadline);
  for (;;) {
    auto slot = co_await takeReader(deadline);
    std::exception_ptr failure;
    try {
      co_await ready(*slot);
      MariadbTx tx(*slot->connection, false);
      co_await body(tx);
    } catch (...) {
      failure = std::current_exception();
    }
    if (!*alive) throw Error(Errc::cancelled);
    retire(*slot);
    giveReader(slot);
    if (!failure) co_return;
    const auto pause = canRepeat(failure) ? patience.pause(runtime_.clock.now()) : std::nullopt;
    if (!pause) std::rethrow_exception(failure);
    co_await runtime_.clock.sleep(*pause);
  }
}

Task<void> MariadbCatalog::sync() {
  if (flushes_) co_return;
  static constexpr Statement kFlush{"FLUSH ENGINE LOGS"};
  auto flush = [](SqlTx& tx) -> Task<void> { co_await tx.exec(kFlush); };
  Body body = flush;
  co_await readBody(std::move(body));
}

}  // namespace vcfs::tracker
