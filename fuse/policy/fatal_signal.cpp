#include "fuse/policy/fatal_signal.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
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

// A file of /proc about a thread; the number of bytes, not more than 0 when there is none.
ssize_t readOf(pid_t tid, const char* what, char* text, std::size_t room) {
  if (tid <= 0) return -1;
  char path[60];
  std::snprintf(path, sizeof path, "/proc/%d/%s", static_cast<int>(tid), what);
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  const auto n = ::read(fd, text, room);
  ::close(fd);
  return n;
}

}  // namespace

CallerState callerStateFromStatus(std::string_view status) {
  if (status.find("SigPnd:") == std::string_view::npos) return CallerState::unknown;
  return killPending(status, "\nSigPnd:") || killPending(status, "\nShdPnd:") ? CallerState::dying : CallerState::alive;
}

CallerState callerState(pid_t tid) {
  char text[4096];
  const auto n = readOf(tid, "status", text, sizeof text);
  return n > 0 ? callerStateFromStatus({text, static_cast<std::size_t>(n)}) : CallerState::unknown;
}

bool isChown(std::string_view call) {
  long number = -1;
  std::from_chars(call.data(), call.data() + call.size(), number);
  static constexpr long kCalls[] = {
#ifdef SYS_chown
      SYS_chown, SYS_lchown,
#endif
      SYS_fchown, SYS_fchownat};
  return std::find(std::begin(kCalls), std::end(kCalls), number) != std::end(kCalls);
}

bool callsChown(pid_t tid) {
  char text[256];
  const auto n = readOf(tid, "syscall", text, sizeof text);
  return n > 0 && isChown({text, static_cast<std::size_t>(n)});
}

bool isThreadOf(pid_t tid, pid_t process) {
  if (tid <= 0 || process <= 0) return false;
  char path[60];
  std::snprintf(path, sizeof path, "/proc/%d/task/%d", static_cast<int>(process), static_cast<int>(tid));
  return ::access(path, F_OK) == 0;
}

}  // namespace vcfs::fuse
