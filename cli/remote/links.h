#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/rpc/call.h"
#include "common/rpc/connection.h"
#include "schema/convert.h"
#include "schema/idserver.capnp.h"

namespace vcfs::cli {

// Connections of the administrator's commands to the daemons themselves: to whichever tracker answers, and to storage
// and ID servers by address. Calls have a deadline; one that was lost with its connection is repeated at the next
// tracker until `limit` has passed, so it must be one that may be repeated. Loop thread only.
class Links {
 public:
  Links(Runtime& runtime, std::vector<std::string> trackers, Duration limit);
  ~Links();

  template <class Build>
  using Answer = decltype(rpc::call(std::declval<Runtime&>(),
                                    std::declval<Build&>()(std::declval<schema::Tracker::Client&>()), Duration()));

  // `build(tracker)` makes and sends the request; it lives until the call ends.
  template <class Build>
  auto tracker(Build& build) -> Answer<Build>;

  Task<schema::Tracker::Client> trackerAt(std::string address);
  Task<schema::Storage::Client> storageAt(std::string address);
  Task<schema::IdServer::Client> idServerAt(std::string address);

  ClientId client() const { return client_; }
  std::uint64_t nextSequence() { return ++sequence_; }
  void fill(schema::RequestId::Builder request);
  Runtime& runtime() { return runtime_; }
  Duration limit() const { return limit_; }

 private:
  Task<std::shared_ptr<rpc::Connection>> open(std::string address);
  Task<schema::Tracker::Client> anyTracker();

  Runtime& runtime_;
  std::vector<std::string> trackers_;
  Duration limit_;
  ClientId client_;
  std::uint64_t sequence_ = 0;
  std::string present_;  // the tracker in use
  std::map<std::string, std::shared_ptr<rpc::Connection>> connections_;
};

template <class Build>
auto Links::tracker(Build& build) -> Answer<Build> {
  const TimePoint deadline = runtime_.clock.now() + limit_;
  while (true) {
    std::optional<Error> failure;
    try {
      schema::Tracker::Client tracker = co_await anyTracker();
      auto promise = build(tracker);
      auto answer = co_await rpc::call(runtime_, kj::mv(promise), limit_);
      schema::check(answer.getStatus());
      co_return kj::mv(answer);
    } catch (const Error& error) {
      failure = error;
    }
    const bool again = failure->code() == Errc::unavailable || failure->code() == Errc::timeout;
    if (!again || runtime_.clock.now() >= deadline) throw *failure;
    present_.clear();
    co_await runtime_.clock.sleep(std::chrono::milliseconds(50));
  }
}

}  // namespace vcfs::cli
