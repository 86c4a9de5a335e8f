#include "mount-helpers/launcher.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>

#include "common/base/error.h"

namespace vcfs::mounting {

namespace {

constexpr char kReady = '\0';  // on the pipe that carries error messages

int reportFailure(const char* what) {
  std::fprintf(stderr, "mount.vcfs: %s: %s\n", what, std::strerror(errno));
  return 32;
}

// In the calling process: passes messages on until the other is ready or gone.
int awaitReady(int fd, pid_t child, int failure) {
  char text[4096];
  while (true) {
    auto n = ::read(fd, text, sizeof text);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    auto* end = static_cast<char*>(std::memchr(text, kReady, static_cast<std::size_t>(n)));
    std::fwrite(text, 1, static_cast<std::size_t>(end != nullptr ? end - text : n), stderr);
    if (end != nullptr) return 0;
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status))
    std::fprintf(stderr, "mount.vcfs: ended by signal %d before the mount answered\n", WTERMSIG(status));
  return failure;
}

// Lines of the log to the system's log, by a thread that ends with the process.
void forwardToSyslog(int fd) {
  ::openlog("mount.vcfs", LOG_PID, LOG_DAEMON);
  std::string pending;
  char text[4096];
  while (true) {
    auto n = ::read(fd, text, sizeof text);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    pending.append(text, static_cast<std::size_t>(n));
    std::size_t end = 0;
    while ((end = pending.find('\n')) != std::string::npos) {
      ::syslog(LOG_INFO, "%s", pending.substr(0, end).c_str());
      pending.erase(0, end + 1);
    }
    if (pending.size() > 65'536) pending.clear();
  }
}

int openLog(const std::string& logFile) {
  if (!logFile.empty()) return ::open(logFile.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return -1;
  // A log that nobody takes must not hold the mount up: lines are lost then.
  ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread(forwardToSyslog, ends[0]).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return ends[1];
}

// From now on nothing of the caller's terminal is ours. Not before the mount answers: an automount lets only the
// process group of mount(8) through to the mount point, and everybody else waits for the very mount that is made here.
void detach(const std::string& logFile) {
  ::setsid();
  int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  int log = openLog(logFile);
  ::dup2(null, 0);
  ::dup2(null, 1);
  ::dup2(log >= 0 ? log : null, 2);
  if (log > 2) ::close(log);
  if (null > 2) ::close(null);
}

}  // namespace

int inBackground(const std::function<int(std::function<void()>)>& serve, const std::string& logFile, int failure) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return reportFailure("pipe");
  std::fflush(nullptr);
  pid_t child = ::fork();
  if (child < 0) return reportFailure("fork");
  if (child > 0) {
    ::close(ends[1]);
    return awaitReady(ends[0], child, failure);
  }
  ::close(ends[0]);
  if (::chdir("/") != 0) std::perror("mount.vcfs: chdir /");
  ::dup2(ends[1], 2);
  ::close(ends[1]);
  auto ready = [&logFile] {
    // A caller that has gone (interrupted while it waited) will never know of this mount.
    if (::write(2, &kReady, 1) != 1)
      throw Error(Errc::cancelled, "the calling process went away before the mount answered");
    detach(logFile);
  };
  int code = serve(ready);
  std::fflush(nullptr);
  ::_exit(code);  // not the caller's destructors and exit handlers
}

}  // namespace vcfs::mounting
