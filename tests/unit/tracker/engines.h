#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/base/error.h"
#include "common/rpc/kj_loop.h"
#include "common/rpc/memory_transport.h"
#include "common/runtime/runtime.h"
#include "tracker/catalog/catalog.h"
#include "tracker/ops/operations.h"

// A loop, a catalog of either engine, and verbs for tests of operations.
namespace vcfs::tracker::test {

class Loop {
 public:
  Loop()
      : kj(io),
        clock(io),
        network(io, clock),
        transport(network, "tracker"),
        runtime{io, clock, transport, std::mt19937_64(42)} {}

  // Runs `task` to its end on the loop, for at most 30 s.
  template <class T>
  T run(Task<T> task) {
    std::optional<T> value;
    run(store(std::move(task), &value));
    return std::move(*value);
  }
  void run(Task<void> task) {
    std::exception_ptr failure;
    bool done = false;
    asio::co_spawn(io, std::move(task), [&](std::exception_ptr error) {
      failure = error;
      done = true;
    });
    turn(done);
    if (failure) std::rethrow_exception(failure);
  }

  // Turns until nothing has happened for 50 ms, for at most 5 s. What is left of connections when the loop goes ends
  // without KJ, and the process with it.
  void drain() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    for (int idle = 0; idle < 10 && std::chrono::steady_clock::now() < deadline;) {
      io.restart();
      idle = io.run_one_for(std::chrono::milliseconds(5)) == 0 ? idle + 1 : 0;
    }
  }

  asio::io_context io{1};
  rpc::KjLoop kj;
  SystemClock clock;
  MemoryNetwork network;
  MemoryTransport transport;
  Runtime runtime;

 private:
  template <class T>
  static Task<void> store(Task<T> task, std::optional<T>* value) {
    value->emplace(co_await std::move(task));
  }
  void turn(const bool& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!done) {
      io.restart();
      io.run_one_for(std::chrono::milliseconds(100));
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("the test's task does not end");
    }
  }
};

// "sqlite" in a new directory, or "mariadb" in a new database of a server started for this test program.
std::unique_ptr<Catalog> makeCatalog(Loop& loop, const std::string& engine);
bool hasEngine(const std::string& engine);

// Operations on one catalog; every change gets its own time, a microsecond after the one before.
class OpsTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override;
  void TearDown() override;

  ops::Occasion occasion();
  template <class F>
  auto write(F f) {
    return loop_->run(catalog_->write(std::move(f)));
  }
  template <class F>
  auto read(F f) {
    return loop_->run(catalog_->read(std::move(f)));
  }

  ops::Outcome create(InodeId parent, const std::string& name, FileType type = FileType::regular,
                      bool exclusive = true);
  ops::Outcome mkdir(InodeId parent, const std::string& name, std::uint32_t mode = 0755);
  ops::Outcome unlink(InodeId parent, const std::string& name);
  ops::Outcome rmdir(InodeId parent, const std::string& name);
  ops::Outcome rename(InodeId parent, const std::string& name, InodeId newParent, const std::string& newName,
                      std::uint32_t flags = 0);
  ops::Outcome link(InodeId inode, InodeId parent, const std::string& name);
  Attr attr(InodeId inode);
  std::optional<Entry> lookup(InodeId parent, const std::string& name);
  std::vector<std::string> names(InodeId directory);
  // Of one row and column.
  std::int64_t number(Statement statement) {
    return read([statement](SqlTx& tx) { return askNumber(tx, statement); });
  }
  template <class F>
  Errc codeOf(F action) {
    try {
      action();
    } catch (const Error& error) {
      return error.code();
    }
    return Errc::ok;
  }
  // Servers 1, 2, 3 of group g1 in zones of their own, those in `dead` not alive.
  void servers(std::vector<StorageId> dead = {});

  static Task<std::int64_t> askNumber(SqlTx& tx, Statement statement) {
    const Rows rows = co_await tx.exec(statement);
    if (rows.empty()) throw Error(Errc::notFound, std::string("no row for ") + statement.text);
    co_return rows.integer(0, 0);
  }

  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Catalog> catalog_;
  std::shared_ptr<PlacementView> view_;
  std::int64_t now_ = 1'000'000'000'000;
  std::uint64_t nextId_ = 1024;
};

}  // namespace vcfs::tracker::test
