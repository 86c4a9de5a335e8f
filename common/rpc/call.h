#pragma once

#include <capnp/capability.h>

#include "common/base/error.h"
#include "common/runtime/runtime.h"

// The bridge between Asio coroutines and KJ promises, in both directions. Nobody else needs to know both.
namespace vcfs::rpc {

namespace detail {
class Wait;  // one co_await of a promise
}

// A KJ exception as an Error.
Error fromKj(const kj::Exception& exception);

// Awaits a KJ promise for at most `limit` (every await on another process has a deadline).
// Throws Error: unavailable (connection lost), timeout (outcome unknown; the promise is dropped), overloaded,
// notSupported, internal, cancelled.
//   auto response = co_await rpc::call(runtime, request.send(), 3s);
template <class T>
Task<T> await(Runtime& runtime, kj::Promise<T> promise, Duration limit);

template <class Results>
Task<capnp::Response<Results>> call(Runtime& runtime, capnp::RemotePromise<Results> promise, Duration limit) {
  kj::Promise<capnp::Response<Results>> plain = kj::mv(promise);
  return await<capnp::Response<Results>>(runtime, kj::mv(plain), limit);
}

// Runs a coroutine as the body of an RPC server method and returns the promise capnp wants.
//   kj::Promise<void> ping(PingContext context) override { return rpc::serve(runtime_, doPing(context)); }
// The coroutine runs to its end whatever becomes of the caller; capnp keeps `context` alive for it. It must hold its
// service object alive itself (thisCap() or a shared_ptr). An Error that leaves it becomes a KJ exception; handlers
// normally put it into `status` (schema/convert.h) instead.
kj::Promise<void> serve(Runtime& runtime, Task<void> task);

}  // namespace vcfs::rpc

#include "common/rpc/call_impl.h"
