#pragma once

#include <exception>

#include "common/base/error.h"

namespace vcfs::client {

// For tasks that others wait for: whatever ended one (a message that cannot be decoded, no memory) must reach them.
inline Error asError(const std::exception& exception) {
  if (const auto* error = dynamic_cast<const Error*>(&exception)) return *error;
  return Error(Errc::internal, exception.what());
}

}  // namespace vcfs::client
