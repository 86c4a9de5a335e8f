#include "tracker/catalog/sqlite/sqlite_catalog.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/error.h"
#include "common/base/log.h"
#include "tracker/catalog/migrations.h"
#include "tracker/catalog/sqlite/sqlite_connection.h"

namespace vcfs::tracker {

namespace {

constexpr Duration kSlowCommit = std::chrono::milliseconds(5);
constexpr std::size_t kOnLoop = 8;  // operations of a batch that the loop runs itself
constexpr int kSlowTimes = 20;      // as long as the slow commit took
constexpr Duration kSlowAtMost = std::chrono::seconds(10);
constexpr Duration kLogHeld = std::chrono::seconds(3);  // until it is tried again to empty a log that somebody reads
constexpr Statement kBegin{"BEGIN IMMEDIATE"};
constexpr Statement kBeginRead{"BEGIN"};
constexpr Statement kCommit{"COMMIT"};
constexpr Statement kRollback{"ROLLBACK"};
constexpr Statement kSavepoint{"SAVEPOINT op"};
constexpr Statement kRelease{"RELEASE op"};
constexpr Statement kRollbackTo{"ROLLBACK TO op"};

// Applies the steps that are missing, in one transaction. Throws when the file is newer than this program.
void migrate(SqliteConnection& db) {
  db.script("BEGIN IMMEDIATE");
  try {
    db.script("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL)");
    static constexpr Statement kVersion{"SELECT COALESCE(MAX(version), 0) FROM schema_version"};
    const auto present = static_cast<int>(db.run(kVersion, {}).integer(0, 0));
    if (present > schemaVersion()) {
      throw Error(Errc::notSupported, "the catalog has schema version " + std::to_string(present) +
                                          ", this program knows " + std::to_string(schemaVersion()) +
                                          "; run the newer vcfs-tracker");
    }
    for (const Migration& step : migrations(Engine::sqlite)) {
      if (step.version <= present) continue;
      for (const std::string& statement : step.statements) db.script(statement);
      db.script("INSERT INTO schema_version VALUES (" + std::to_string(step.version) + ", '" + step.name + "')");
    }
    db.script("COMMIT");
  } catch (...) {
    if (db.inTransaction()) db.script("ROLLBACK");
    throw;
  }
}

// Of a new file; one that is there keeps its own (SQLite ignores this then). A change of the namespace touches a row or
// two on each of seven to nine pages, all of which go to the log with a checksum: small pages are half the work. Any
// row but those with the longest paths and attributes fits into one.
constexpr const char* kPagesOfNewFile = "PRAGMA page_size=2048";

std::uint64_t pageBytes(SqliteConnection& db) {
  static constexpr Statement kPageSize{"PRAGMA page_size"};
  return static_cast<std::uint64_t>(db.run(kPageSize, {}).integer(0, 0));
}

void configure(SqliteConnection& db) {
  db.script(
      "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY");
}

}  // namespace

// One writing operation and what became of it.
struct SqliteCatalog::Pending {
  explicit Pending(asio::io_context& io) : finished(io) {}
  Body body;
  std::exception_ptr error;
  bool done = false;
  Signal finished;
};

struct SqliteCatalog::Batch {
  std::vector<std::shared_ptr<Pending>> operations;
  std::uint64_t walBytes = 0;
  bool logHeld = false;  // it could not be emptied
};

// Lives on the write pool's thread. A small loop of its own drives the operations' coroutines, whose awaits never
// suspend, to their end.
class SqliteCatalog::Writer {
 public:
  explicit Writer(const std::string& path) : connection(path, false) {}

  // After configure(): `PRAGMA wal_autocheckpoint` is itself a hook of this kind, and takes away whatever is there.
  void watchLog() {
    pageBytes_ = pageBytes(connection);
    sqlite3_wal_hook(
        connection.handle(),
        [](void* self, sqlite3*, const char*, int pages) {
          auto* writer = static_cast<Writer*>(self);
          writer->walBytes = static_cast<std::uint64_t>(pages) * writer->pageBytes_;
          return SQLITE_OK;
        },
        this);
  }

  void run(Batch& batch) {
    loop_.restart();
    asio::co_spawn(loop_, transaction(&batch), asio::detached);
    loop_.run();
  }

  SqliteConnection connection;
  std::uint64_t walBytes = 0;  // in the log at the last commit

 private:
  Task<void> transaction(Batch* batch) {
    try {
      connection.run(kBegin, {});
      if (batch->operations.size() == 1) {
        co_await alone(batch->operations.front().get());
      } else {
        for (auto& operation : batch->operations) co_await one(operation.get());
      }
      connection.run(kCommit, {});
    } catch (...) {
      rollback();
      failAll(*batch, std::current_exception());
    }
  }

  // What it throws ends the transaction, in which there is nobody else.
  Task<void> alone(Pending* operation) {
    SqliteTx tx(connection);
    co_await operation->body(tx);
  }

  Task<void> one(Pending* operation) {
    SqliteTx tx(connection);
    connection.run(kSavepoint, {});
    try {
      co_await operation->body(tx);
    } catch (...) {
      operation->error = std::current_exception();
    }
    // After a full disk or an I/O error SQLite may have rolled everything back by itself.
    if (!connection.inTransaction() && operation->error) std::rethrow_exception(operation->error);
    if (operation->error) connection.run(kRollbackTo, {});
    connection.run(kRelease, {});
  }

  void rollback() {
    try {
      if (connection.inTransaction()) connection.run(kRollback, {});
    } catch (const std::exception& e) {
      log::error("catalog.rollback_failed", {{"reason", e.what()}});
    }
  }

  static void failAll(Batch& batch, std::exception_ptr error) {
    for (auto& operation : batch.operations) {
      if (!operation->error) operation->error = error;
    }
  }

  asio::io_context loop_{1};
  std::uint64_t pageBytes_ = 0;
};

SqliteCatalog::SqliteCatalog(Runtime& runtime, SqliteOptions options)
    : runtime_(runtime), options_(std::move(options)), synced_(runtime.io) {
  writer_ = std::make_shared<Writer>(options_.path);
  writer_->connection.script(kPagesOfNewFile);
  writer_->connection.script("PRAGMA journal_mode=WAL");
  configure(writer_->connection);
  writer_->watchLog();
  migrate(writer_->connection);
  reader_ = std::make_unique<SqliteConnection>(options_.path, true);
  configure(*reader_);
  checkpointer_ = std::make_unique<SqliteConnection>(options_.path, false);
  configure(*checkpointer_);
  walFd_ = ::open((options_.path + "-wal").c_str(), O_RDONLY | O_CLOEXEC);
  if (walFd_ < 0) throw Error(Errc::io, "cannot open " + options_.path + "-wal: " + std::strerror(errno));
  auto pool = [&](const char* name) {
    return options_.inlinePools ? makeInlinePool(runtime_.io) : makeThreadPool(runtime_.io, name);
  };
  writePool_ = pool("catalog-write");
  syncPool_ = pool("catalog-sync");
  checkpointPool_ = pool("catalog-copy");  // which takes long: who waits for stable storage must not stand behind it
}

SqliteCatalog::~SqliteCatalog() {
  *alive_ = false;
  writePool_.reset();
  syncPool_.reset();
  checkpointPool_.reset();
  if (walFd_ >= 0) ::close(walFd_);
}

Task<void> SqliteCatalog::writeBody(Body body, Durability durability) {
  if (queue_.size() >= options_.maxQueued) throw Error(Errc::overloaded, "the catalog has too many operations waiting");
  auto pending = std::make_shared<Pending>(runtime_.io);
  pending->body = std::move(body);
  queue_.push_back(pending);
  // Posted, so that everything that arrives in this turn of the loop shares a transaction.
  if (!batchUnderWay_ && !startPosted_) {
    startPosted_ = true;
    asio::post(runtime_.io, [this, alive = alive_] {
      if (!*alive) return;
      startPosted_ = false;
      startBatch();
    });
  }
  while (!pending->done) co_await pending->finished.wait();
  if (pending->error) std::rethrow_exception(pending->error);
  if (durability == Durability::stable) co_await sync();
}

void SqliteCatalog::startBatch() {
  if (batchUnderWay_ || queue_.empty()) return;
  batchUnderWay_ = true;
  auto batch = std::make_shared<Batch>();
  while (!queue_.empty() && batch->operations.size() < options_.maxBatch) {
    batch->operations.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  // A small commit goes to the page cache and is quicker than a thread's wake-up. One that was slow (it waited for the
  // filesystem's journal) sends the next ones to the pool for a while, so that a struggling disk holds the loop up for
  // a twentieth of the time at most.
  const TimePoint begun = runtime_.clock.now();
  // Read here: the pool's thread must not ask the clock.
  const std::uint64_t truncateBytes = begun < logHeldUntil_ ? UINT64_MAX : options_.truncateBytes;
  if (batch->operations.size() <= kOnLoop && begun >= slowUntil_ && writer_->walBytes < truncateBytes) {
    writer_->run(*batch);
    batch->walBytes = writer_->walBytes;
    const TimePoint ended = runtime_.clock.now();
    const Duration took = ended - begun;
    if (took > kSlowCommit) slowUntil_ = ended + std::min<Duration>(kSlowTimes * took, kSlowAtMost);
    finishBatch(batch);
    return;
  }
  writePool_->submit(
      [writer = writer_, batch, truncateBytes] {
        writer->run(*batch);
        batch->walBytes = writer->walBytes;
        // The background checkpoint cannot start the log anew while writes never pause: do it here, rarely.
        if (batch->walBytes >= truncateBytes) batch->logHeld = !writer->connection.emptyLog();
      },
      [this, alive = alive_, batch] {
        if (*alive) finishBatch(batch);
      });
}

void SqliteCatalog::finishBatch(std::shared_ptr<Batch> batch) {
  batchUnderWay_ = false;
  if (batch->logHeld) logHeldUntil_ = runtime_.clock.now() + kLogHeld;
  for (auto& operation : batch->operations) {
    operation->body = nullptr;
    operation->done = true;
    operation->finished.notifyAll();
  }
  startBatch();
  if (batch->walBytes >= options_.checkpointBytes && !checkpointing_) {
    checkpointing_ = true;
    runtime_.spawn("catalog.checkpoint", checkpointBehind());
  }
}

Task<void> SqliteCatalog::readBody(Body body) {
  // The writer's connection keeps its page cache across its own commits, the reader's is emptied by each of them.
  SqliteConnection& connection = batchUnderWay_ ? *reader_ : writer_->connection;
  SqliteTx tx(connection);
  std::exception_ptr error;
  connection.run(kBeginRead, {});
  try {
    co_await body(tx);
  } catch (...) {
    error = std::current_exception();
  }
  if (connection.inTransaction()) connection.run(kCommit, {});
  if (error) std::rethrow_exception(error);
}

Task<void> SqliteCatalog::sync() {
  const std::uint64_t ticket = ++syncWanted_;
  if (!syncing_) {
    syncing_ = true;
    runtime_.spawn("catalog.sync", syncLoop());
  }
  while (syncDone_ < ticket) co_await synced_.wait();
  if (syncError_) std::rethrow_exception(syncError_);
}

Task<void> SqliteCatalog::syncLoop() {
  auto alive = alive_;
  while (syncDone_ < syncWanted_) {
    const std::uint64_t covers = syncWanted_;
    auto flush = [fd = walFd_] { return ::fdatasync(fd) == 0 ? 0 : errno; };
    const int error = co_await syncPool_->run(std::move(flush));
    if (!*alive) co_return;
    // After a failed fdatasync the kernel may have dropped the pages: never claim anything stable again.
    if (error != 0) {
      syncError_ = std::make_exception_ptr(
          Error(Errc::io, "cannot make the catalog " + options_.path + " durable: " + std::strerror(error)));
    }
    syncDone_ = covers;
    synced_.notifyAll();
  }
  syncing_ = false;
}

Task<void> SqliteCatalog::checkpointBehind() {
  auto alive = alive_;
  auto copy = [db = checkpointer_.get()] {
    return sqlite3_wal_checkpoint_v2(db->handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  };
  const int code = co_await checkpointPool_->run(std::move(copy));
  if (!*alive) co_return;
  if (code != SQLITE_OK && code != SQLITE_BUSY) log::warn("catalog.checkpoint_failed", {{"code", code}});
  co_await runtime_.clock.sleep(std::chrono::seconds(1));
  if (*alive) checkpointing_ = false;
}

}  // namespace vcfs::tracker
