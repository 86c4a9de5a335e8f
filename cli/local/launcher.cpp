#include "cli/local/launcher.h"

#include <signal.h>
#include <sys/socket.h>

#include <asio/ip/tcp.hpp>
#include <thread>

#include "cli/local/mounts.h"
#include "common/base/error.h"

namespace vcfs::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kReadyLimit = 30s;  // a daemon that answers nothing for so long will not
constexpr auto kTermLimit = 15s;   // a daemon ends by itself within 10 s of SIGTERM
constexpr auto kUnmountedLimit = 15s;
constexpr auto kPortLimit = 3s;  // a process that was killed is gone before the last of its threads lets go of its port
constexpr auto kPoll = 5ms;
constexpr int kTailLines = 15;

// Why nobody can listen there now; no error when one can.
asio::error_code portObstacle(const std::string& host, int port) {
  asio::io_context io;
  asio::error_code error;
  asio::ip::tcp::resolver resolver(io);
  auto found = resolver.resolve(host, std::to_string(port), asio::ip::tcp::resolver::passive, error);
  if (!error && found.empty()) error = asio::error::host_not_found;
  if (error) return error;
  auto endpoint = found.begin()->endpoint();
  asio::ip::tcp::acceptor acceptor(io);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(1, error);
  return error;
}

}  // namespace

void Launcher::checkPort(const ProcessSpec& spec, const ClusterSettings& settings) const {
  asio::error_code obstacle = portObstacle(settings.listen, spec.port);
  if (obstacle == asio::error::address_in_use) {
    say_(fmt::format("waiting for port {}, which is in use", spec.port));
    for (auto deadline = std::chrono::steady_clock::now() + kPortLimit;
         obstacle == asio::error::address_in_use && std::chrono::steady_clock::now() < deadline;) {
      std::this_thread::sleep_for(kPoll);
      if (cluster_.running(spec.name)) return;  // another `up` has started it, and only now said so
      obstacle = portObstacle(settings.listen, spec.port);
    }
  }
  if (!obstacle) return;
  throw Error(Errc::unavailable,
              fmt::format("port {} ({} of the cluster in {}): {}. If another program or another cluster has it, choose "
                          "other ports with --port-base (now {})",
                          spec.port, spec.name, cluster_.dir().root, obstacle.message(), settings.portBase));
}

void Launcher::check(const std::vector<ProcessSpec>& plan, const ClusterSettings& settings) const {
  for (const auto& spec : plan) {
    if (cluster_.running(spec.name)) continue;
    if (findProgram(spec.program).empty()) {
      throw Error(Errc::notFound,
                  fmt::format("the program {} is neither beside vcfs nor in PATH: build or install all of "
                              "vcfs",
                              spec.program));
    }
    if (spec.port != 0) checkPort(spec, settings);
    if (spec.role == Role::mount) {
      if (std::string obstacle = mountObstacle(); !obstacle.empty()) throw Error(Errc::notSupported, obstacle);
      checkMountPoint(settings.mount);
      checkWhatIsMounted(settings);
    }
  }
}

// Ours may have been left by a mount process that died: "Transport endpoint is not connected".
bool Launcher::mountedByUs(const MountEntry& there, const ClusterSettings& settings) {
  return there.type == "fuse.vcfs" && isMountSource(there.source, settings);
}

bool Launcher::mountedByUs(const ClusterSettings& settings) {
  auto there = mountAt(settings.mount);
  return there && mountedByUs(*there, settings);
}

// Anybody else's mount is not ours to take away, nor to hide below ours: recorders go on writing there.
void Launcher::checkWhatIsMounted(const ClusterSettings& settings) {
  auto there = mountAt(settings.mount);
  if (!there || mountedByUs(*there, settings)) return;
  throw Error(Errc::exists, fmt::format("{} is mounted already, by something else ({}, type {}): unmount it, or name "
                                        "another place with --mount",
                                        settings.mount, there->source, there->type));
}

bool Launcher::runs(const ProcessSpec& spec, const ClusterSettings& settings) {
  if (!cluster_.running(spec.name)) return false;
  if (spec.role != Role::mount) return true;
  auto there = mountAt(settings.mount);
  if (!there) {
    end(spec);  // a mount process without its mount is good for nothing
    return false;
  }
  // Files that are open in what is below are still recorded through it.
  if (!mountedByUs(*there, settings)) {
    say_(fmt::format("{} is hidden by another mount ({}, type {}): unmount that to see it again", settings.mount,
                     there->source, there->type));
  }
  return true;
}

Launcher::Child Launcher::launch(const ProcessSpec& spec, const ClusterSettings& settings) {
  const StateDir& dir = cluster_.dir();
  if (!spec.data.empty()) makeDirectories(spec.data);
  if (!spec.config.empty()) writeFileAtomically(dir.configFile(spec.name), spec.config, 0600);
  ::unlink(dir.readyFile(spec.name).c_str());
  if (spec.role == Role::mount) {
    checkWhatIsMounted(settings);
    std::string reason;
    if (isMounted(settings.mount)) unmount(settings.mount, true, reason);
    makeMountPoint(settings.mount);
  }
  std::uint64_t logStart = fileSize(dir.log(spec.name));
  pid_t pid = startDetached(findProgram(spec.program), spec.arguments, dir.log(spec.name));
  auto identity = identify(pid);
  if (!identity) identity = ProcessIdentity{pid, 0, ""};  // ended already: waitReady() says so
  cluster_.started(spec.name, *identity);
  return Child{&spec, *identity, logStart};
}

bool Launcher::ready(const ProcessSpec& spec, const ClusterSettings& settings) const {
  if (::access(cluster_.dir().readyFile(spec.name).c_str(), F_OK) != 0) return false;
  return spec.role != Role::mount || mountedByUs(settings);
}

void Launcher::waitReady(const Child& child, const ClusterSettings& settings) {
  const std::string& name = child.spec->name;
  std::string log = cluster_.dir().log(name);
  auto deadline = std::chrono::steady_clock::now() + kReadyLimit;
  while (!ready(*child.spec, settings)) {
    std::string what;
    if (auto end = childEnd(child.identity.pid)) {
      what = fmt::format("{} ended at its start ({})", name, *end);
    } else if (std::chrono::steady_clock::now() >= deadline) {
      what = fmt::format("{} did not become ready within {} s", name, kReadyLimit.count());
    }
    if (!what.empty()) {
      std::string lines = tail(log, child.logStart, kTailLines);
      throw Error(Errc::unavailable,
                  fmt::format("{}. {} says:\n{}", what, log, lines.empty() ? "  (nothing)\n" : lines));
    }
    std::this_thread::sleep_for(kPoll);
  }
}

int Launcher::start(const std::vector<ProcessSpec>& plan, const ClusterSettings& settings) {
  int count = 0;
  std::vector<Child> all;
  try {
    for (std::size_t at = 0; at < plan.size();) {
      std::vector<Child> batch;
      Role role = plan[at].role;
      for (; at < plan.size() && plan[at].role == role; ++at) {
        if (runs(plan[at], settings)) continue;
        batch.push_back(launch(plan[at], settings));
        all.push_back(batch.back());
      }
      for (const auto& child : batch) {
        waitReady(child, settings);
        ++count;
        say_(fmt::format("started {:<12} pid {:<8} {}", child.spec->name, child.identity.pid,
                         role == Role::mount ? settings.mount : child.spec->address));
      }
    }
  } catch (...) {
    std::string reason;
    for (auto child = all.rbegin(); child != all.rend(); ++child) {
      if (child->spec->role == Role::mount && mountedByUs(settings)) unmount(settings.mount, true, reason);
      end(*child->spec);
    }
    throw;
  }
  return count;
}

bool Launcher::leaveMount(const ClusterSettings& settings, const StopOptions& options) {
  const std::string& path = settings.mount;
  auto there = path.empty() ? std::nullopt : mountAt(path);
  if (!there) return true;
  if (!mountedByUs(*there, settings)) return false;
  auto deadline = std::chrono::steady_clock::now() + options.busyLimit;
  std::string reason;
  bool told = false;
  while (!options.force) {
    Unmounted result = unmount(path, false, reason);
    if (result == Unmounted::yes) return true;
    if (result == Unmounted::failed) break;
    if (!told) {
      auto users = usersOf(path);
      say_(fmt::format("{} is in use by {}; waiting up to {} s for them to end", path,
                       users.empty() ? "somebody" : join(users, ", "), options.busyLimit.count()));
      told = true;
    }
    if (std::chrono::steady_clock::now() >= deadline) break;
    std::this_thread::sleep_for(50ms);
  }
  if (unmount(path, true, reason) != Unmounted::yes) {
    throw Error(Errc::io, fmt::format("cannot unmount {}: {}. The cluster was left running", path, reason));
  }
  if (told) say_(path + " was detached although it is in use; its users get errors from now on");
  return false;
}

void Launcher::end(const ProcessSpec& spec) {
  auto identity = cluster_.running(spec.name);
  if (identity) {
    signalProcess(*identity, SIGTERM);
    if (!waitGone(*identity, kTermLimit)) {
      say_(fmt::format("{} (pid {}) did not end within {} s of SIGTERM: killed", spec.name, identity->pid,
                       kTermLimit.count()));
      signalProcess(*identity, SIGKILL);
      waitGone(*identity, kTermLimit);
    }
  }
  cluster_.stopped(spec.name);
}

int Launcher::stop(const std::vector<ProcessSpec>& plan, const ClusterSettings& settings, StopOptions options) {
  int count = 0;
  for (std::size_t end = plan.size(); end > 0;) {
    // One role at a time: all of it is told before the first is waited for.
    std::size_t begin = end;
    Role role = plan[end - 1].role;
    while (begin > 0 && plan[begin - 1].role == role) --begin;
    bool endsByItself = role == Role::mount && leaveMount(settings, options);
    for (std::size_t i = begin; i < end; ++i) {
      auto identity = cluster_.running(plan[i].name);
      if (!identity) continue;
      ++count;
      // An unmounted mount process ends by itself, when what it holds has been sent.
      if (endsByItself && waitGone(*identity, kUnmountedLimit)) continue;
      signalProcess(*identity, SIGTERM);
    }
    for (std::size_t i = begin; i < end; ++i) this->end(plan[i]);
    end = begin;
  }
  return count;
}

}  // namespace vcfs::cli
