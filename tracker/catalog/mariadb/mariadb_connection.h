#pragma once

#include <mysql.h>

#include <asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/error.h"
#include "common/base/mariadb_url.h"
#include "common/runtime/runtime.h"
#include "tracker/catalog/mariadb/retry.h"
#include "tracker/catalog/sql.h"

namespace vcfs::tracker {

// What the server or the connection said, and what helps.
class MariadbError : public Error {
 public:
  MariadbError(unsigned number, const std::string& text);
  Cure cure() const { return cure_; }
  bool byServer() const { return byServer_; }  // it said so itself

 private:
  Cure cure_;
  bool byServer_;
};

// Connects to one of the URL's servers and prepares the session. Blocks: for at most `limit` until it is connected and
// `answerLimit` for each answer to a blocking call, rounded up to seconds. For pool threads. Throws MariadbError.
MYSQL* connectBlocking(const MariadbUrl& url, std::size_t server, std::chrono::milliseconds limit,
                       std::chrono::milliseconds answerLimit);

// Whether it is a node of a Galera cluster. Blocks. Throws MariadbError, also for a node that is not ready (it has
// lost the others, say): that one lets everybody connect, and answers a SELECT without a table with a lock wait
// timeout, as if repeating it there would help.
bool isGaleraNode(MYSQL* mysql);

// Whether the server greets somebody who connects within `limit` (rounded up to seconds), if only to refuse. Blocks.
bool connects(const MariadbUrl& url, std::size_t server, std::chrono::milliseconds limit);

// One connection, on the loop: every wait for the server is a wait for its socket. One statement at a time. A statement
// that takes longer than `limit`, or whose packets nobody acknowledges for a second, ends with the connection being
// shut down (MariadbError, Cure::reconnect).
class MariadbConnection {
 public:
  // `slow` is called, again and again, while the server does not answer for kSlow.
  static constexpr Duration kSlow = std::chrono::milliseconds(250);
  // `galera`: a transaction's statements go one by one. Of a message with several, such a node carries out the rest,
  // each for itself, when another node's transaction makes it roll back this one between two of them.
  MariadbConnection(Runtime& runtime, MYSQL* connected, bool galera, Duration limit, std::function<void()> slow);
  ~MariadbConnection();
  MariadbConnection(const MariadbConnection&) = delete;
  MariadbConnection& operator=(const MariadbConnection&) = delete;

  // `locking`, here and below: a statement's "/*lock*/" becomes FOR UPDATE. What was deferred goes with it, before it.
  Task<Rows> run(const Statement& statement, std::vector<Value> values, bool locking);
  Task<std::vector<Rows>> runAll(std::vector<Query> queries, bool locking);  // together where that is safe
  Task<void> command(std::string sql);                                       // COMMIT … : no values, no rows

  void begin();  // a transaction: with the next message to the server

  // Goes with the next message to the server. What follows a statement that fails is not run.
  void defer(const Query& query, bool locking);
  std::size_t deferred() const { return deferred_.size(); }  // statements that wait
  std::size_t deferredBytes() const;
  void forget(std::size_t from);  // those from the `from`th on
  Task<void> flush();
  // Whether, in this transaction, a message failed at what had been deferred for it.
  bool deferredFailed() const { return deferredFailed_; }

  void abandon();  // its server hangs: what is under way ends, and it is not usable any more
  bool usable() const { return usable_; }
  // Not just this connection is lost: its server was silent for long, or said that it is not ready.
  bool serverUnfit() const { return serverUnfit_; }

 private:
  Task<int> wait(int events);
  void watch();
  Task<MYSQL_STMT*> prepared(const Statement& statement, bool locking);
  Task<Rows> runPrepared(const Statement& statement, std::vector<Value> values, bool locking);
  Task<Rows> fetch(MYSQL_STMT* statement);
  Task<std::vector<Rows>> send(std::vector<Query> queries, bool locking);
  Task<std::vector<Rows>> sendTogether(std::vector<std::string> statements, std::size_t first);
  Task<std::vector<Rows>> sendOneByOne(std::vector<std::string> statements, std::size_t first);
  Task<bool> issue(const std::string* sql);
  Task<bool> nextResult();
  [[noreturn]] void failAt(const std::vector<std::string>& statements, std::size_t at, std::size_t first);
  void checkTransaction();
  Task<Rows> takeResult();
  [[noreturn]] void fail(unsigned number, const std::string& text);

  Runtime& runtime_;
  MYSQL* mysql_;
  const bool galera_;
  bool inTransaction_ = false;
  Duration limit_;
  asio::posix::stream_descriptor socket_;
  std::unordered_map<const char*, MYSQL_STMT*> statements_[2];  // plain, locking
  std::function<void()> slow_;
  TimePoint waitingSince_;
  std::unique_ptr<Clock::Timer> timer_;  // while it waits
  std::vector<std::string> deferred_;
  bool deferredFailed_ = false;
  bool usable_ = true;
  bool serverUnfit_ = false;
};

}  // namespace vcfs::tracker
