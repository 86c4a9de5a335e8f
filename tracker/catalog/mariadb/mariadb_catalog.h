#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/async/signal.h"
#include "common/runtime/blocking_pool.h"
#include "common/runtime/runtime.h"
#include "tracker/catalog/catalog.h"
#include "tracker/catalog/mariadb/mariadb_connection.h"
#include "tracker/catalog/mariadb/server_probe.h"

namespace vcfs::tracker {

struct MariadbOptions {
  MariadbUrl url;
  int connections = 4;              // half of them write, the others read; at least one each
  std::size_t maxQueued = 100'000;  // writing operations that may wait; more are refused with `overloaded`
  std::size_t maxBatch = 32;        // operations in one transaction
  // How long an operation is tried before it is `unavailable`: its caller may ask another tracker, or go on asking.
  std::chrono::milliseconds budget{1'500};
  std::chrono::milliseconds statementLimit{4'000};  // a server that takes longer is left
  std::chrono::milliseconds connectLimit{1'000};
  std::chrono::milliseconds migrateLimit{60'000};
};

// The catalog in MariaDB (or Galera): for any number of trackers.
//
// Statements run on the loop, without threads (Connector/C's non-blocking calls); only connecting has one. Operations
// that arrive while the writers are busy share a transaction. What a repeat can cure (deadlocks, failed certification,
// a node that is not ready, lost connections) is repeated with a growing pause inside the operation's budget, at
// another node where the URL names several. There, a server that has not answered for 250 ms is connected to once
// more; when it does not greet within a second it hangs, and is left. After a lost connection the outcome of a
// COMMIT is unknown: the repeat then meets its own request id and is recognised by it. A write whose budget is over is
// `unavailable` to its caller, but what was sent may still be committed; that, too, is found by the request id. Reads
// see, statement by statement, what is committed.
class MariadbCatalog final : public Catalog {
 public:
  // Connects once, brings the schema up to date (one tracker at a time does) and returns. Throws Error.
  static Task<std::unique_ptr<MariadbCatalog>> open(Runtime& runtime, MariadbOptions options);
  ~MariadbCatalog() override;

  Task<void> writeBody(Body body, Durability durability) override;
  Task<void> readBody(Body body) override;
  Task<void> sync() override;
  std::string engine() const override { return "mariadb"; }
  bool shared() const override { return true; }
  void onLateCommit(std::function<void()> late) override { late_ = std::move(late); }

 private:
  struct Pending;
  struct Slot;
  struct Batch;

  MariadbCatalog(Runtime& runtime, MariadbOptions options, bool flushes);
  Task<void> ready(Slot& slot);
  Task<void> connect(Slot& slot);
  void retire(Slot& slot);
  void leave(std::size_t server);  // it hangs, or cannot be reached
  void sayLeft(std::size_t server);
  void takeBatch(Batch& batch);
  Task<void> writer(std::shared_ptr<Slot> slot);
  Task<void> runBatch(Slot& slot, Batch& batch);
  Task<void> attempt(Slot& slot, Batch& batch);
  Task<void> transaction(MariadbConnection& connection, Batch& batch);
  Task<void> operate(MariadbConnection& connection, Pending& operation, Batch& batch);
  Task<void> runAlone(Slot& slot, std::shared_ptr<Pending> pending);
  void finish(std::vector<std::shared_ptr<Pending>>& operations);
  Task<std::shared_ptr<Slot>> takeReader(TimePoint deadline);
  void giveReader(std::shared_ptr<Slot> slot);

  Runtime& runtime_;
  MariadbOptions options_;
  bool flushes_;  // the server makes every commit stable by itself
  std::unique_ptr<BlockingPool> connecting_;
  std::shared_ptr<AsyncMutex> connectOne_;  // so that each knows how the one before it fared
  ServerChoice choice_;
  TimePoint saidAt_;  // when it was last logged that a server was left
  std::deque<std::shared_ptr<Pending>> queue_;
  Signal arrived_;
  std::vector<std::shared_ptr<Slot>> writers_;
  std::vector<std::shared_ptr<Slot>> slots_;  // all of them
  std::shared_ptr<ServerProbe> probe_;        // where there is another server to go to
  std::deque<std::shared_ptr<Slot>> idleReaders_;
  Signal readerFree_;
  std::function<void()> late_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace vcfs::tracker
