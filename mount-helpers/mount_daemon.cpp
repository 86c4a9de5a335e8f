#include "mount-helpers/mount_daemon.h"

#include <signal.h>
#include <unistd.h>

#include "common/async/signal.h"
#include "common/base/daemon.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "fuse/mount.h"

namespace vcfs::mounting {

namespace {

constexpr auto kStopLimit = std::chrono::milliseconds(3000);
constexpr auto kReadsLimit = std::chrono::milliseconds(1000);

class MountDaemon {
 public:
  MountDaemon(Runtime& runtime, MountRequest request, std::function<void()> ready)
      : runtime_(runtime), request_(std::move(request)), ready_(std::move(ready)), shutting_(runtime.io) {}

  Task<void> start() {
    co_await connect();
    co_await findRoot();
    mount_ = std::make_unique<fuse::Mount>(runtime_, cluster_, request_.mount);
    mount_->onEnded([this] { runtime_.spawn("mount.end", endOfMount()); });
    co_await mount_->start();
    if (ready_) ready_();
    log::Level level = log::Level::info;
    log::parseLevel(request_.logLevel, level);
    log::setup(level, "mount.vcfs");
    log::info("mount.ready", {{"path", request_.mount.mountPoint}, {"source", request_.source}});
  }

  Task<void> stop() {
    if (mount_) co_await mount_->stop(kStopLimit);
    co_await shutdown();
  }

 private:
  Task<void> connect() {
    auto attempt = std::make_shared<Attempt>(runtime_.io);
    asio::co_spawn(runtime_.io, tryToConnect(runtime_, request_.cluster, attempt), asio::detached);
    auto until = runtime_.clock.now() + Duration(request_.mountTimeout);
    while (!attempt->ended && runtime_.clock.now() < until) {
      co_await attempt->signal.waitFor(runtime_.clock, until - runtime_.clock.now());
    }
    if (!attempt->ended) {
      throw Error(Errc::unavailable,
                  fmt::format("no tracker of {} answered within {} s; is `vcfs-tracker` running there, and "
                              "does the address end in its port?",
                              request_.source, static_cast<double>(request_.mountTimeout.count()) / 1000));
    }
    if (!attempt->failure.empty())
      throw Error(Errc::unavailable, fmt::format("cannot reach {}: {}", request_.source, attempt->failure));
    cluster_ = attempt->cluster;
  }

  struct Attempt {
    explicit Attempt(asio::io_context& io) : signal(io) {}
    Signal signal;
    bool ended = false;
    std::string failure;
    std::shared_ptr<Cluster> cluster;
  };

  static Task<void> tryToConnect(Runtime& runtime, ClusterOptions options, std::shared_ptr<Attempt> attempt) {
    try {
      attempt->cluster = co_await Cluster::connect(runtime, std::move(options));
    } catch (const std::exception& error) {
      attempt->failure = error.what();
    }
    attempt->ended = true;
    attempt->signal.notifyAll();
  }

  // The directory of the store that is our root.
  Task<void> findRoot() {
    const auto& path = request_.subdirectory;
    if (path == "/") co_return;
    std::optional<Entry> entry;
    try {
      entry = co_await cluster_->resolve(kRootInode, path.substr(1), true);
    } catch (const Error& error) {
      if (error.code() != Errc::notFound && error.code() != Errc::notDirectory) throw;
    }
    if (!entry)
      throw Error(Errc::notFound,
                  fmt::format("the store has no directory {}; make it with `vcfs mkdir {}`", path, path));
    if (entry->attr.type != FileType::directory)
      throw Error(Errc::notDirectory, fmt::format("{} in the store is not a directory", path));
    request_.mount.root = entry->attr.inode;
  }

  // Unmounted, by whomever: what was written is sent, however long the cluster lets us wait, then the process ends.
  Task<void> endOfMount() {
    try {
      co_await shutdown();
    } catch (const std::exception& error) {
      // `umount -f` takes files away that are open: what could not be sent within the stall limit has no writer who
      // could still be told.
      log::error("mount.end", {{"path", request_.mount.mountPoint}, {"reason", error.what()}});
    }
    if (!told_) ::kill(::getpid(), SIGTERM);
    told_ = true;
  }

  // Who comes second waits for the first: the process ends when stop() returns.
  Task<void> shutdown() {
    auto lock = co_await shutting_.lock();
    if (!cluster_ || shut_) co_return;
    shut_ = true;
    if (mount_) co_await mount_->tellReads(kReadsLimit);
    co_await cluster_->shutdown();
  }

  Runtime& runtime_;
  MountRequest request_;
  std::function<void()> ready_;
  std::shared_ptr<Cluster> cluster_;
  std::unique_ptr<fuse::Mount> mount_;
  AsyncMutex shutting_;
  bool shut_ = false;
  bool told_ = false;
};

}  // namespace

int serveMount(MountRequest request, std::function<void()> ready) {
  const DaemonSettings settings = request.daemon;
  // Until the mount answers, what goes wrong is told once, in the message that ends it.
  log::setup(request.verbose ? log::Level::info : log::Level::error, "mount.vcfs");
  Daemon daemon;
  MountDaemon mounting(daemon.runtime(), std::move(request), std::move(ready));
  return daemon.run([&mounting] { return mounting.start(); }, [&mounting] { return mounting.stop(); }, settings);
}

}  // namespace vcfs::mounting
