#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "common/runtime/clock.h"

// What to do when MariaDB says no: decisions without I/O.
namespace vcfs::tracker {

enum class Cure {
  none,       // the answer will not change
  repeat,     // the whole transaction again, on the same connection: a deadlock, a failed certification
  reconnect,  // the whole transaction again, on a new connection, at another server where there is one. The outcome of
              // a COMMIT that was under way is unknown: the repeat meets its own request id and is recognised by it
};

// Of an error number of the server (ER_…) or of the library (CR_…).
Cure cureOf(unsigned number);

// Pauses between attempts, which grow, until the caller's time is up.
class Patience {
 public:
  static constexpr Duration kFirst = std::chrono::milliseconds(2);
  static constexpr Duration kLongest = std::chrono::milliseconds(250);

  explicit Patience(TimePoint deadline) : deadline_(deadline) {}
  // The pause before the next attempt; nothing: it would come too late.
  std::optional<Duration> pause(TimePoint now);

 private:
  TimePoint deadline_;
  Duration next_ = kFirst;
};

// Which of several servers (nodes of a Galera cluster) to connect to: the one that worked last, so that all connections
// meet at one node and seldom conflict, else the next in the list. One that failed rests, so that a host that swallows
// packets is not waited for again and again.
class ServerChoice {
 public:
  static constexpr Duration kFirstRest = std::chrono::milliseconds(100);
  static constexpr Duration kLongestRest = std::chrono::milliseconds(500);

  explicit ServerChoice(std::size_t servers) : servers_(servers) {}
  // Nothing: all failed a moment ago.
  std::optional<std::size_t> next(TimePoint now) const;
  void worked(std::size_t server);
  void failed(std::size_t server, TimePoint now);

 private:
  struct Server {
    Duration rest{};
    TimePoint notBefore{};
  };
  std::vector<Server> servers_;
  std::size_t preferred_ = 0;
};

}  // namespace vcfs::tracker
