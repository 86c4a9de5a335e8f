#pragma once

#include <functional>
#include <memory>
#include <set>

#include "common/base/mariadb_url.h"
#include "common/runtime/blocking_pool.h"
#include "common/runtime/runtime.h"

namespace vcfs::tracker {

// Tells a server that hangs from one that thinks for long: it is connected to once more. A node of a Galera cluster
// that waits for the others before it commits greets at once; a process that was stopped, or whose disk hangs, does
// not, although its kernel acknowledges everything that is sent to it. Loop thread only.
class ServerProbe {
 public:
  // `hangs` is called for a server that did not greet within `limit` (rounded up to seconds).
  ServerProbe(Runtime& runtime, MariadbUrl url, std::chrono::milliseconds limit,
              std::function<void(std::size_t server)> hangs);
  ~ServerProbe();  // waits for a connect that is under way

  // It has not answered for a while. One question at a time; of a server that is being asked none.
  void suspect(std::size_t server);

 private:
  struct State;
  static Task<void> ask(std::shared_ptr<State> state, std::size_t server);
  std::shared_ptr<State> state_;
};

}  // namespace vcfs::tracker
