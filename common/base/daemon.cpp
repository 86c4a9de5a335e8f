#include "common/base/daemon.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/rpc/system_runtime.h"
#include "common/runtime/idle_spin.h"

namespace vcfs {

namespace {

// systemd's notification protocol: one datagram to the socket in the environment.
void tellSystemd(const char* message) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::min(std::strlen(path), sizeof(address.sun_path) - 1);
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  ::sendto(fd, message, std::strlen(message), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address),
           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
  ::close(fd);
}

// Renamed into place, so that whoever sees the file sees the pid in it.
void writeReadyFile(const std::string& path) {
  if (path.empty()) return;
  const std::string temporary = path + ".tmp";
  {
    std::ofstream out(temporary, std::ios::trunc);
    out << ::getpid() << "\n";
    if (!out.flush()) throw Error(Errc::io, "cannot write the ready file " + path);
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) throw Error(Errc::io, "cannot write the ready file " + path);
}

void raiseFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

void DaemonSettings::addTo(Settings& settings) {
  settings.text("ready-file", readyFile, "made, with the process id, once the daemon answers");
  settings.integer(
      "spin", spinMicroseconds, 0, 1000, "microseconds",
      "while requests follow each other more closely than this, stay awake between them; 0: sleep at once");
}

struct Daemon::Impl : SystemRuntime {
  int exitCode = 0;
  bool stopping = false;

  Task<void> starting(std::function<Task<void>()>& start, const std::string& readyFile) {
    std::string failure;
    try {
      co_await start();
      writeReadyFile(readyFile);
    } catch (const Error& error) {
      failure = error.detail().empty() ? error.what() : error.detail();
    } catch (const std::exception& error) {
      failure = error.what();
    }
    if (failure.empty()) {
      tellSystemd("READY=1");
      co_return;
    }
    std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, failure.c_str());
    exitCode = 1;
    io.stop();
  }

  Task<void> ending(std::function<Task<void>()>& stop) {
    tellSystemd("STOPPING=1");
    auto limit = clock.callAt(clock.now() + std::chrono::seconds(10), [this] {
      log::warn("daemon.stop.late", {});
      io.stop();
    });
    try {
      co_await stop();
    } catch (const std::exception& error) {
      log::error("daemon.stop.failed", {{"reason", error.what()}});
    }
    io.stop();
  }
};

Daemon::Daemon() {
  std::signal(SIGPIPE, SIG_IGN);
  raiseFileLimit();
  impl_ = std::make_unique<Impl>();
}

Daemon::~Daemon() = default;
Runtime& Daemon::runtime() { return impl_->runtime; }

int Daemon::run(std::function<Task<void>()> start, std::function<Task<void>()> stop, const DaemonSettings& settings) {
  Impl& impl = *impl_;
  asio::signal_set signals(impl.io, SIGTERM, SIGINT);
  signals.async_wait([&](asio::error_code error, int) {
    if (error || impl.stopping) return;
    impl.stopping = true;
    impl.runtime.spawn("stop", impl.ending(stop));
  });
  impl.runtime.spawn("start", impl.starting(start, settings.readyFile));
  runLoop(impl.io, IdleSpin(std::chrono::microseconds(settings.spinMicroseconds)));
  if (!settings.readyFile.empty()) std::remove(settings.readyFile.c_str());
  return impl.exitCode;
}

int reportingFailure(const std::function<int()>& body, int code) {
  std::string failure;
  try {
    return body();
  } catch (const Error& error) {
    failure = error.detail().empty() ? error.what() : error.detail();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, failure.c_str());
  return code;
}

}  // namespace vcfs
