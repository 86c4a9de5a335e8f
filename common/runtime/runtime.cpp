#include "common/runtime/runtime.h"

#include "common/base/error.h"
#include "common/base/log.h"

namespace vcfs {

void Runtime::spawn(const char* what, Task<void> task) {
  asio::co_spawn(io, std::move(task), [what](std::exception_ptr error) {
    if (!error) return;
    try {
      std::rethrow_exception(error);
    } catch (const asio::system_error& e) {
      if (e.code() != asio::error::operation_aborted) log::error("task.failed", {{"task", what}, {"reason", e.what()}});
    } catch (const Error& e) {
      if (e.code() != Errc::cancelled) log::error("task.failed", {{"task", what}, {"reason", e.what()}});
    } catch (const std::exception& e) {
      log::error("task.failed", {{"task", what}, {"reason", e.what()}});
    }
  });
}

}  // namespace vcfs
