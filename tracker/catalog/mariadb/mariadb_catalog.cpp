#include "tracker/catalog/mariadb/mariadb_catalog.h"

#include "common/base/log.h"
#include "tracker/catalog/mariadb/mariadb_migrate.h"

namespace vcfs::tracker {

namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(2);
constexpr Duration kLongestPause = std::chrono::milliseconds(250);

bool isRead(const char* sql) {
  return std::string_view(sql).starts_with("SELECT") || std::string_view(sql).starts_with("WITH");
}

// An operation's transaction. Remembers whether anything was written, so that an operation that failed before its first
// write need not be rolled back.
class MariadbTx final : public SqlTx {
 public:
  MariadbTx(MariadbConnection& connection, bool writing) : connection_(connection), writing_(writing) {}
  Task<Rows> execute(const Statement& statement, std::vector<Value> values) override {
    if (!isRead(statement.text)) wrote_ = true;
    return connection_.run(statement, std::move(values), writing_);
  }
  bool wrote() const { return wrote_; }

 private:
  MariadbConnection& connection_;
  bool writing_;
  bool wrote_ = false;
};

const MariadbError* asRepeatable(const std::exception_ptr& error, MariadbError& copy) {
  try {
    std::rethrow_exception(error);
  } catch (const MariadbError& e) {
    copy = e;
    return e.repeatable() ? &copy : nullptr;
  } catch (...) {
    return nullptr;
  }
}

bool canRepeat(const std::exception_ptr& error) {
  MariadbError copy(0, "");
  return error && asRepeatable(error, copy) != nullptr;
}

}  // namespace

struct MariadbCatalog::Pending {
  explicit Pending(asio::io_context& io) : finished(io) {}
  Body body;
  TimePoint deadline;
  std::exception_ptr error;
  bool done = false;
  Signal finished;
};

struct MariadbCatalog::Slot {
  std::unique_ptr<MariadbConnection> connection;
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
      arrived_(runtime.io),
      readerFree_(runtime.io) {
  const int writers = std::max(1, options_.connections / 2);
  for (int i = 0; i < std::max(2, options_.connections); ++i) {
    auto slot = std::make_shared<Slot>();
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
  arrived_.notifyAll();
  readerFree_.notifyAll();
}

Task<std::unique_ptr<MariadbCatalog>> MariadbCatalog::open(Runtime& runtime, MariadbOptions options) {
  auto pool = makeThreadPool(runtime.io, "catalog-open");
  const MariadbUrl url = options.url;
  const auto limit = options.connectLimit;
  auto prepare = [url, limit] {
    MYSQL* mysql = connectBlocking(url, std::max(limit, std::chrono::milliseconds(60'000)));
    bool stable = false;
    try {
      migrateMariadb(mysql);
      stable = commitsAreStable(mysql);
    } catch (...) {
      mysql_close(mysql);
      throw;
    }
    mysql_close(mysql);
    return stable;
  };
  const bool stable = co_await pool->run(std::move(prepare));
  co_return std::unique_ptr<MariadbCatalog>(new MariadbCatalog(runtime, std::move(options), stable));
}

Task<void> MariadbCatalog::connect(Slot& slot) {
  slot.connection.reset();
  auto open = [url = options_.url, limit = options_.connectLimit] { return connectBlocking(url, limit); };
  auto alive = alive_;
  MYSQL* mysql = co_await connecting_->run(std::move(open));
  if (!*alive) {
    mysql_close(mysql);
    throw Error(Errc::cancelled);
  }
  slot.connection = std::make_unique<MariadbConnection>(runtime_, mysql, options_.statementLimit);
}

// ---- writing

Task<void> MariadbCatalog::writeBody(Body body, Durability durability) {
  if (queue_.size() >= options_.maxQueued) throw Error(Errc::overloaded, "the catalog has too many operations waiting");
  auto pending = std::make_shared<Pending>(runtime_.io);
  pending->body = std::move(body);
  pending->deadline = runtime_.clock.now() + options_.budget;
  queue_.push_back(pending);
  arrived_.notifyAll();
  while (!pending->done) co_await pending->finished.wait();
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
    while (!queue_.empty() && batch.operations.size() < options_.maxBatch) {
      batch.operations.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    co_await runBatch(*slot, batch);
    if (!*alive) co_return;
    finish(batch.operations);
  }
}

void MariadbCatalog::finish(std::vector<std::shared_ptr<Pending>>& operations) {
  for (auto& operation : operations) {
    operation->body = nullptr;
    operation->done = true;
    operation->finished.notifyAll();
  }
}

Task<void> MariadbCatalog::runBatch(Slot& slot, Batch& batch) {
  auto alive = alive_;
  Duration pause = kFirstPause;
  for (;;) {
    batch.failure = nullptr;
    for (auto& operation : batch.operations) operation->error = nullptr;
    co_await attempt(slot, batch);
    if (!*alive) co_return;
    if (batch.mixed) break;
    if (!batch.failure) co_return;
    const bool late = runtime_.clock.now() + pause >= batch.operations.front()->deadline;
    if (late || !canRepeat(batch.failure)) {
      for (auto& operation : batch.operations) operation->error = batch.failure;
      co_return;
    }
    co_await runtime_.clock.sleep(pause);
    if (!*alive) co_return;
    pause = std::min(pause * 2, kLongestPause);
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
  Duration pause = kFirstPause;
  for (;;) {
    Batch alone;
    alone.operations.push_back(pending);
    pending->error = nullptr;
    co_await attempt(slot, alone);
    if (!*alive || (!alone.failure && !alone.mixed)) co_return;
    if (alone.mixed) co_return;  // rolled back, with its own error
    const bool late = runtime_.clock.now() + pause >= pending->deadline;
    if (late || !canRepeat(alone.failure)) {
      pending->error = alone.failure;
      co_return;
    }
    co_await runtime_.clock.sleep(pause);
    if (!*alive) co_return;
    pause = std::min(pause * 2, kLongestPause);
  }
}

// Runs the batch in one transaction, once. On return it is committed, or batch.failure or batch.mixed says why not.
Task<void> MariadbCatalog::attempt(Slot& slot, Batch& batch) {
  auto alive = alive_;
  try {
    if (!slot.connection || !slot.connection->usable()) co_await connect(slot);
    MariadbConnection& connection = *slot.connection;
    co_await connection.command("START TRANSACTION");
    for (auto& operation : batch.operations) {
      MariadbTx tx(connection, true);
      try {
        co_await operation->body(tx);
      } catch (...) {
        operation->error = std::current_exception();
      }
      if (!operation->error) continue;
      if (canRepeat(operation->error)) std::rethrow_exception(operation->error);
      if (tx.wrote()) {
        batch.mixed = true;
        break;
      }
    }
    co_await connection.command(batch.mixed ? "ROLLBACK" : "COMMIT");
  } catch (...) {
    batch.failure = std::current_exception();
  }
  if (!batch.failure || !*alive) co_return;
  if (!slot.connection || !slot.connection->usable()) co_return;
  try {
    co_await slot.connection->command("ROLLBACK");
  } catch (const Error&) {
    if (*alive) slot.connection.reset();
  }
}

// ---- reading

Task<std::shared_ptr<MariadbCatalog::Slot>> MariadbCatalog::takeReader() {
  auto alive = alive_;
  while (idleReaders_.empty()) {
    co_await readerFree_.wait();
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
  Duration pause = kFirstPause;
  for (;;) {
    auto slot = co_await takeReader();
    std::exception_ptr failure;
    try {
      if (!slot->connection || !slot->connection->usable()) co_await connect(*slot);
      MariadbTx tx(*slot->connection, false);
      co_await body(tx);
    } catch (...) {
      failure = std::current_exception();
    }
    if (!*alive) throw Error(Errc::cancelled);
    giveReader(slot);
    if (!failure) co_return;
    if (!canRepeat(failure) || runtime_.clock.now() + pause >= deadline) std::rethrow_exception(failure);
    co_await runtime_.clock.sleep(pause);
    pause = std::min(pause * 2, kLongestPause);
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
