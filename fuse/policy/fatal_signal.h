#pragma once

#include <sys/types.h>

#include <string_view>

// FUSE tells that a caller got a signal, not which. A local filesystem lets go of a blocked call only when the caller
// is being killed; a mere timer or child signal must not turn into EINTR, which programs do not expect from open or
// mkdir.
namespace vcfs::fuse {

enum class CallerState { alive, dying, unknown };

// From the text of /proc/<tid>/status: is SIGKILL pending (the kernel makes every fatal signal one)?
CallerState callerStateFromStatus(std::string_view status);
// Of a thread in our pid namespace. `unknown` when it cannot be seen.
CallerState callerState(pid_t tid);

// Whether the thread is in a chown(2) of any kind: SETATTR with nothing to set is that or precedes a change of bytes.
bool callsChown(pid_t tid);
bool isChown(std::string_view call);  // of the text of /proc/<tid>/syscall

// Whether the process has this thread now. False when it cannot be seen.
bool isThreadOf(pid_t tid, pid_t process);

}  // namespace vcfs::fuse
