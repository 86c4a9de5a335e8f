#include "cli/local/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <sstream>
#include <thread>

#include "cli/local/files.h"
#include "common/base/error.h"

namespace vcfs::cli {
namespace {

constexpr std::chrono::milliseconds kPoll{5};

const std::string& bootId() {
  static const std::string id = [] {
    std::string text = readFileIfThere("/proc/sys/kernel/random/boot_id").value_or("unknown");
    text.erase(text.find_last_not_of(" \n") + 1);
    return text;
  }();
  return id;
}

void raiseFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  constexpr rlim_t kWanted = 1 << 20;
  rlimit wanted{std::max(limit.rlim_cur, kWanted), std::max(limit.rlim_max, kWanted)};
  if (::setrlimit(RLIMIT_NOFILE, &wanted) == 0) return;  // needs privilege when it is more than the hard limit
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void resetSignals() {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD, SIGQUIT, SIGTSTP}) ::signal(signal, SIG_DFL);
}

// Between fork and exec; tells errno through `report` when it fails.
[[noreturn]] void becomeDaemon(const std::string& program, char* const* argv, int log, int report) {
  ::setsid();
  int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, 0);
  ::dup2(log, 1);
  ::dup2(log, 2);
  // 3 becomes the report pipe; everything else is closed at exec at the latest.
  if (report != 3) ::dup2(report, 3);
  ::fcntl(3, F_SETFD, FD_CLOEXEC);
  ::syscall(SYS_close_range, 4u, ~0u, 0);
  ::umask(022);
  resetSignals();
  raiseFileLimit();
  if (::chdir("/") == 0) ::execv(program.c_str(), argv);
  int error = errno;
  [[maybe_unused]] auto ignored = ::write(3, &error, sizeof error);
  ::_exit(127);
}

}  // namespace

std::optional<StatFields> parseStat(const std::string& text) {
  auto end = text.rfind(')');
  if (end == std::string::npos) return std::nullopt;
  std::istringstream rest(text.substr(end + 1));
  StatFields fields;
  std::string skipped;
  if (!(rest >> fields.state)) return std::nullopt;
  for (int field = 4; field < 22; ++field) rest >> skipped;
  if (!(rest >> fields.startTicks)) return std::nullopt;
  return fields;
}

std::optional<ProcessIdentity> identify(pid_t pid) {
  if (pid <= 0) return std::nullopt;
  auto text = readFileIfThere("/proc/" + std::to_string(pid) + "/stat");
  if (!text) return std::nullopt;
  auto fields = parseStat(*text);
  if (!fields || fields->state == 'Z' || fields->state == 'X') return std::nullopt;
  return ProcessIdentity{pid, fields->startTicks, bootId()};
}

bool isAlive(const ProcessIdentity& identity) {
  auto now = identify(identity.pid);
  return now && *now == identity;
}

std::string toText(const ProcessIdentity& identity) {
  return fmt::format("{} {} {}\n", identity.pid, identity.startTicks, identity.boot);
}

std::optional<ProcessIdentity> identityFromText(const std::string& text) {
  std::istringstream in(text);
  ProcessIdentity identity;
  if (!(in >> identity.pid >> identity.startTicks >> identity.boot) || identity.pid <= 0) return std::nullopt;
  return identity;
}

pid_t startDetached(const std::string& program, const std::vector<std::string>& arguments, const std::string& log) {
  std::vector<std::string> owned{program};
  owned.insert(owned.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& text : owned) argv.push_back(text.data());
  argv.push_back(nullptr);

  Fd logFd(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (logFd.get() < 0) throw Error(Errc::io, fmt::format("cannot write the log {}: {}", log, std::strerror(errno)));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw Error(Errc::io, fmt::format("pipe: {}", std::strerror(errno)));
  Fd readEnd(ends[0]), writeEnd(ends[1]);
  pid_t pid = ::fork();
  if (pid < 0) throw Error(Errc::io, fmt::format("fork: {}", std::strerror(errno)));
  if (pid == 0) becomeDaemon(program, argv.data(), logFd.get(), writeEnd.get());
  writeEnd.reset();
  int error = 0;
  if (::read(readEnd.get(), &error, sizeof error) == sizeof error) {
    ::waitpid(pid, nullptr, 0);
    throw Error(Errc::io, fmt::format("cannot execute {}: {}", program, std::strerror(error)));
  }
  return pid;
}

std::optional<std::string> childEnd(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, WNOHANG) != pid) return std::nullopt;
  if (WIFSIGNALED(status)) return fmt::format("signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

bool waitGone(const ProcessIdentity& identity, std::chrono::milliseconds limit) {
  auto deadline = std::chrono::steady_clock::now() + limit;
  while (true) {
    childEnd(identity.pid);  // if it is ours, so that it does not stay a zombie
    if (!isAlive(identity)) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kPoll);
  }
}

void signalProcess(const ProcessIdentity& identity, int signal) {
  if (isAlive(identity)) ::kill(identity.pid, signal);
}

std::string findProgram(const std::string& name) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<std::string> places{fs::read_symlink("/proc/self/exe", error).parent_path().string()};
  std::istringstream path(std::getenv("PATH") ? std::getenv("PATH") : "");
  for (std::string place; std::getline(path, place, ':');) places.push_back(place);
  for (const char* place : {"/usr/sbin", "/sbin", "/usr/local/sbin"}) places.emplace_back(place);
  for (const auto& place : places) {
    std::string candidate = place + "/" + name;
    if (!place.empty() && ::access(candidate.c_str(), X_OK) == 0 && !fs::is_directory(candidate, error))
      return candidate;
  }
  return "";
}

}  // namespace vcfs::cli
