#pragma once

#include "client/src/core.h"

// The shape of a call to a tracker: `method` is the request's maker (&Tracker::lookupRequest), and `fill(request)` puts
// the parameters into it. It runs once per attempt; what it refers to must live until the call has ended.
namespace vcfs::client {

using Tracker = schema::Tracker::Client;

template <class Method, class Fill>
auto sending(Method method, Fill fill) {
  return [method, fill](Tracker& tracker) {
    auto request = (tracker.*method)(nullptr);
    fill(request);
    return request.send();
  };
}

// For TrackerSession::call with its limit and errors.
template <class Method, class Fill>
auto ask(Core& core, Method method, Fill fill, Errc expected = Errc::ok) {
  return core.trackers->call(sending(method, fill), expected);
}
template <class Method>
auto ask(Core& core, Method method) {
  return ask(core, method, [](auto&) {});
}
template <class Method, class Fill>
auto askFor(Core& core, Duration limit, Method method, Fill fill) {
  return core.trackers->callFor(sending(method, fill), limit);
}

// The same for what changes something: every attempt carries the same RequestId, so that it is executed once.
template <class Method, class Fill>
auto change(Core& core, Method method, Fill fill) {
  auto tagged = [fill, tag = RequestTag(core)](auto& request) {
    fill(request);
    tag.fill(request.initRequest());
  };
  return core.trackers->call(sending(method, tagged));
}

}  // namespace vcfs::client
