#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// Processes of this machine: who they are, whether they live, starting and stopping them. Blocking; no loop needed.
namespace vcfs::cli {

// Names one process for ever: a pid alone may be another program by now (pids are reused, machines are restarted).
struct ProcessIdentity {
  pid_t pid = 0;
  std::uint64_t startTicks = 0;  // since boot, /proc/PID/stat
  std::string boot;              // /proc/sys/kernel/random/boot_id
  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

// The identity of a live process; nullopt when there is none with this pid, or only a zombie.
std::optional<ProcessIdentity> identify(pid_t pid);
bool isAlive(const ProcessIdentity& identity);

// "pid ticks boot" and back.
std::string toText(const ProcessIdentity& identity);
std::optional<ProcessIdentity> identityFromText(const std::string& text);
// The start time in the text of /proc/PID/stat (field 22) and the state; the command's name may hold blanks and ')'.
struct StatFields {
  char state = '?';
  std::uint64_t startTicks = 0;
};
std::optional<StatFields> parseStat(const std::string& text);

// Starts `program` away from this terminal: own session, standard input /dev/null, output and errors appended to
// `log`, working directory /, umask 022, as many open files as the system allows. Throws Error(io) when it cannot be
// executed.
pid_t startDetached(const std::string& program, const std::vector<std::string>& arguments, const std::string& log);

// How a child that startDetached() made has ended: "exit code 1", "signal 9 (Killed)"; nullopt while it runs.
std::optional<std::string> childEnd(pid_t pid);

// True as soon as the process is gone, false after `limit`.
bool waitGone(const ProcessIdentity& identity, std::chrono::milliseconds limit);
void signalProcess(const ProcessIdentity& identity, int signal);

// A program of this name beside this executable, else in PATH and the sbin directories; "" when there is none.
std::string findProgram(const std::string& name);

}  // namespace vcfs::cli
