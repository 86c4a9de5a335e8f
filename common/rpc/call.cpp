#include "common/rpc/call.h"

#include "common/base/log.h"

namespace vcfs::rpc {

Error fromKj(const kj::Exception& exception) {
  std::string text(exception.getDescription().cStr());
  switch (exception.getType()) {
    case kj::Exception::Type::DISCONNECTED:
      return Error(Errc::unavailable, std::move(text));
    case kj::Exception::Type::OVERLOADED:
      return Error(Errc::overloaded, std::move(text));
    case kj::Exception::Type::UNIMPLEMENTED:
      return Error(Errc::notSupported, std::move(text));
    case kj::Exception::Type::FAILED:
      break;
  }
  return Error(Errc::internal, std::move(text));
}

namespace detail {

Task<void> Wait::run(Clock& clock, Duration limit) {
  if (done_) co_return;
  auto deadline = clock.callAt(clock.now() + limit, [this] { expire(); });
  asio::error_code ignored;
  co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (done_) co_return;
  if (expired_) throw Error(Errc::timeout, "no answer within " + std::to_string(limit.count() / 1'000'000) + " ms");
  throw Error(Errc::cancelled);
}

namespace {

kj::Exception toKj(std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    auto type = kj::Exception::Type::FAILED;
    if (e.code() == Errc::unavailable) type = kj::Exception::Type::DISCONNECTED;
    if (e.code() == Errc::overloaded) type = kj::Exception::Type::OVERLOADED;
    if (e.code() == Errc::notSupported) type = kj::Exception::Type::UNIMPLEMENTED;
    return kj::Exception(type, "", 0, kj::str(e.what()));
  } catch (const kj::Exception& e) {
    return kj::cp(e);
  } catch (const std::exception& e) {
    log::error("rpc.handler.failed", {{"reason", e.what()}});
    return kj::Exception(kj::Exception::Type::FAILED, "", 0, kj::str(e.what()));
  }
}

}  // namespace

kj::Promise<void> serveTask(asio::io_context& io, Task<void> task) {
  auto pair = kj::newPromiseAndFulfiller<void>();
  asio::co_spawn(io, std::move(task), [fulfiller = kj::mv(pair.fulfiller)](std::exception_ptr error) mutable {
    if (error) {
      fulfiller->reject(toKj(error));
    } else {
      fulfiller->fulfill();
    }
  });
  return kj::mv(pair.promise);
}

}  // namespace detail

kj::Promise<void> serve(Runtime& runtime, Task<void> task) { return detail::serveTask(runtime.io, std::move(task)); }

}  // namespace vcfs::rpc
