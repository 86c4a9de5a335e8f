#include "fuse/policy/fatal_signal.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdio>

namespace vcfs::fuse {

namespace {

bool killPending(std::string_view status, std::string_view field) {
  auto at = status.find(field);
  if (at == std::string_view::npos) return false;
  auto digits = status.substr(at + field.size());
  digits.remove_prefix(std::min(digits.find_first_not_of(" \t"), digits.size()));
  std::uint64_t mask = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), mask, 16);
  return (mask & (1u << 8)) != 0;  // bit n-1 is signal n; SIGKILL is 9
}

}  // namespace

CallerState callerStateFromStatus(std::string_view status) {
  if (status.find("SigPnd:") == std::string_view::npos) return CallerState::unknown;
  return killPending(status, "\nSigPnd:") || killPending(status, "\nShdPnd:") ? CallerState::dying : CallerState::alive;
}

CallerState callerState(pid_t tid) {
  if (tid <= 0) return CallerState::unknown;
  char path[40];
  std::snprintf(path, sizeof path, "/proc/%d/status", static_cast<int>(tid));
  int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return CallerState::unknown;
  char text[4096];
  auto n = ::read(fd, text, sizeof text);
  ::close(fd);
  return n > 0 ? callerStateFromStatus({text, static_cast<std::size_t>(n)}) : CallerState::unknown;
}

bool isThreadOf(pid_t tid, pid_t process) {
  if (tid <= 0 || process <= 0) return false;
  char path[60];
  std::snprintf(path, sizeof path, "/proc/%d/task/%d", static_cast<int>(process), static_cast<int>(tid));
  return ::access(path, F_OK) == 0;
}

}  // namespace vcfs::fuse
