#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/async/signal.h"
#include "common/runtime/blocking_pool.h"
#include "common/runtime/runtime.h"
#include "tracker/catalog/catalog.h"

namespace vcfs::tracker {

struct SqliteOptions {
  std::string path;
  bool inlinePools = false;                   // run everything on the loop's thread: for tests on a simulated clock
  std::size_t maxQueued = 100'000;            // writing operations that may wait; more are refused with `overloaded`
  std::size_t maxBatch = 512;                 // operations in one transaction
  std::uint64_t checkpointBytes = 16u << 20;  // the write-ahead log is copied into the database from here on …
  std::uint64_t truncateBytes = 256u << 20;   // … and from here on between two batches, so that it starts anew
};

// The catalog in one SQLite file: for one tracker.
//
// Writing operations that arrive while a transaction commits share the next one, each in its own savepoint (group
// commit), on one thread of their own. Reads run at once on the loop, on a connection of their own: a lookup takes a
// few microseconds. Write-ahead log with synchronous=NORMAL: a commit survives a crash of the process; sync() (an
// fdatasync of the log, on a third thread, shared by all who wait) makes it survive a power cut. Checkpoints run on
// that third thread too, behind the writers.
class SqliteCatalog final : public Catalog {
 public:
  // Opens, migrates. Blocks; throws Error with the path and the remedy.
  SqliteCatalog(Runtime& runtime, SqliteOptions options);
  ~SqliteCatalog() override;

  Task<void> writeBody(Body body, Durability durability) override;
  Task<void> readBody(Body body) override;
  Task<void> sync() override;
  std::string engine() const override { return "sqlite"; }
  bool shared() const override { return false; }

 private:
  struct Pending;
  struct Batch;
  class Writer;

  void startBatch();
  void finishBatch(std::shared_ptr<Batch> batch);
  Task<void> checkpointBehind();
  Task<void> syncLoop();

  Runtime& runtime_;
  SqliteOptions options_;
  std::shared_ptr<Writer> writer_;
  std::unique_ptr<class SqliteConnection> reader_;
  std::unique_ptr<class SqliteConnection> checkpointer_;
  int walFd_ = -1;

  std::deque<std::shared_ptr<Pending>> queue_;
  bool batchUnderWay_ = false;
  TimePoint slowUntil_;     // until then commits run on the pool
  TimePoint logHeldUntil_;  // until then it is not tried again to empty the log: a backup reads from it
  bool startPosted_ = false;
  bool checkpointing_ = false;

  std::uint64_t syncWanted_ = 0;  // tickets drawn
  std::uint64_t syncDone_ = 0;    // tickets whose commits are stable
  bool syncing_ = false;
  std::exception_ptr syncError_;
  Signal synced_;

  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  // Last: their threads end first.
  std::unique_ptr<BlockingPool> writePool_;
  std::unique_ptr<BlockingPool> syncPool_;
  std::unique_ptr<BlockingPool> checkpointPool_;
};

}  // namespace vcfs::tracker
