#pragma once

#include <stdexcept>

namespace vcfs::cli {

// The command line itself is wrong (or contradicts the cluster's settings): exit code 2. Everything else that fails is
// a vcfs::Error: exit code 1.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace vcfs::cli
