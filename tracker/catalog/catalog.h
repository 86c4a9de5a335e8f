#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tracker/catalog/sql.h"

namespace vcfs::tracker {

enum class Durability {
  committed,  // survives a crash of the process
  stable,     // survives a power cut
};

// The database behind the trackers. Loop thread only; any number of calls may be under way.
//
// A body may be run more than once (after a deadlock, a lost connection) and on another thread than the loop's: it
// touches nothing but its transaction and what it captured by value. It awaits nothing but the transaction.
class Catalog {
 public:
  using Body = std::function<Task<void>(SqlTx&)>;

  virtual ~Catalog() = default;

  // Runs `body` in one transaction. On return it is committed and every later read sees it. Throws what the body threw
  // (nothing is changed then), or Error: unavailable, overloaded, io, noSpace.
  virtual Task<void> writeBody(Body body, Durability durability) = 0;
  // Runs `body` on committed data: SQLite on one consistent state, MariaDB statement by statement.
  virtual Task<void> readBody(Body body) = 0;
  // On return everything committed before the call is on stable storage.
  virtual Task<void> sync() = 0;
  // "sqlite" or "mariadb", for status.
  virtual std::string engine() const = 0;
  // Whether other trackers may change the catalog too.
  virtual bool shared() const = 0;
  // `late` is called when a write was committed after its caller had been told that it was not (unavailable).
  virtual void onLateCommit(std::function<void()> late) {}

  template <class Function>
  auto write(Function function, Durability durability = Durability::committed);
  template <class Function>
  auto read(Function function);
};

// ---- implementation ----

namespace detail {

template <class T>
struct Unwrap;
template <class T>
struct Unwrap<Task<T>> {
  using type = T;
};

// A body together with the place for its result; both outlive every run.
template <class Function>
struct Stored {
  using Result = typename Unwrap<std::invoke_result_t<Function&, SqlTx&>>::type;
  explicit Stored(Function f) : function(std::move(f)) {}
  Function function;
  std::optional<Result> result;
};

template <class Function>
Task<void> runStored(std::shared_ptr<Stored<Function>> stored, SqlTx& tx) {
  stored->result.reset();
  auto result = co_await stored->function(tx);
  stored->result.emplace(std::move(result));
}

template <class Function>
auto runWrite(Catalog* catalog, std::shared_ptr<Stored<Function>> stored, Durability durability)
    -> Task<typename Stored<Function>::Result> {
  Catalog::Body body = [stored](SqlTx& tx) { return runStored(stored, tx); };
  co_await catalog->writeBody(std::move(body), durability);
  co_return std::move(*stored->result);
}

template <class Function>
auto runRead(Catalog* catalog, std::shared_ptr<Stored<Function>> stored) -> Task<typename Stored<Function>::Result> {
  Catalog::Body body = [stored](SqlTx& tx) { return runStored(stored, tx); };
  co_await catalog->readBody(std::move(body));
  co_return std::move(*stored->result);
}

}  // namespace detail

template <class Function>
auto Catalog::write(Function function, Durability durability) {
  return detail::runWrite(this, std::make_shared<detail::Stored<Function>>(std::move(function)), durability);
}

template <class Function>
auto Catalog::read(Function function) {
  return detail::runRead(this, std::make_shared<detail::Stored<Function>>(std::move(function)));
}

}  // namespace vcfs::tracker
