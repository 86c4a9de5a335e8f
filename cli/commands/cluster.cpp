// up, down, status: the clusters of this machine, and any cluster's state.
#include "cli/command.h"
#include "cli/commands/query.h"
#include "cli/core/ports.h"
#include "cli/core/status_merge.h"
#include "cli/core/usage_error.h"
#include "cli/local/launcher.h"
#include "cli/local/mounts.h"
#include "common/base/advertise.h"
#include "common/base/error.h"

#include <filesystem>
#include <thread>

#include <nlohmann/json.hpp>

namespace vcfs::cli {
namespace {

using Json = nlohmann::ordered_json;
using namespace std::chrono_literals;

constexpr auto kRegisteredLimit = 15s;  // after this the storage servers that are missing are named

LocalMount thisMount(const std::string& path) { return {path, hostName()}; }

std::map<std::string, LocalState> localStates(const LocalCluster& cluster, const std::vector<ProcessSpec>& plan,
                                              const std::string& mountPoint) {
  std::map<std::string, LocalState> states;
  for (const auto& spec : plan) {
    auto identity = cluster.running(spec.name);
    states[spec.name] = {identity ? identity->pid : 0, spec.role == Role::mount && isMounted(mountPoint)};
  }
  return states;
}

// With the links on the way to it resolved, as /proc/self/mountinfo shows it. The mount point itself is not looked at:
// it may hang.
std::string normalMount(const std::string& path) {
  if (path.empty()) return path;
  std::filesystem::path full = std::filesystem::absolute(path).lexically_normal();
  if (!full.has_filename()) full = full.parent_path();
  std::error_code error;
  auto parent = std::filesystem::weakly_canonical(full.parent_path(), error);
  return error ? full.string() : (parent / full.filename()).string();
}

class Up final : public Command {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = parent.add_subcommand("up", "Start a cluster of real daemons on this machine and mount it");
    app->add_option("--dir", dir_, "where the cluster keeps everything")->type_name("D")->envname("VCFS_DIR");
    mountOption_ =
        app->add_option("--mount", mount_, "where to mount the store (default /mnt/vcstore)")->type_name("M");
    app->add_flag("--no-mount", noMount_, "do not mount it")->excludes(mountOption_);
    number(*app, "--storages", requested_.storages, "storage servers (default 2)");
    number(*app, "--groups", requested_.groups, "storage groups they are spread over (default 1)");
    number(*app, "--copies", requested_.copies,
           "copies of a new file (default 2; 1 where a group has only one storage server)");
    number(*app, "--trackers", requested_.trackers, "trackers (default 1; more need --catalog mariadb://…)");
    number(*app, "--idservers", requested_.idservers, "ID servers (default 1; more need --catalog mariadb://…)");
    number(*app, "--httpds", requested_.httpds, "HTTP servers (default 1)");
    number(*app, "--port-base", requested_.portBase,
           "P (default 21000): trackers at P, ID servers from P+10, HTTP at P+80, storages from P+100");
    text(*app, "--catalog", requested_.catalog,
         "sqlite (default) or mariadb://user:password@host:port/database, several hosts with commas");
    text(
        *app, "--listen", requested_.listen,
        "this machine's address that the daemons listen at (default 127.0.0.1; other hosts need one they can reach, so "
        "not 0.0.0.0)");
    app->add_option("--option", options_,
                    "an option of a role's daemons, ROLE.NAME=VALUE; may be repeated. Example: storage.reserve=1GiB, "
                    "mount.max_lag=0")
        ->type_name("ROLE.NAME=VALUE")
        ->allow_extra_args(false);
    app->add_flag("--json", json_, "print the cluster's status as JSON when it is up");
    app->footer(
        "Run again, it starts what is missing (a daemon that died, everything after a reboot) with the settings in\n"
        "D/cluster.json. Logs are in D/log, recordings in D/storage/<name>. Several clusters run side by side with\n"
        "another --dir, --mount and --port-base each.\n"
        "Examples:\n"
        "  vcfs up\n"
        "  vcfs up --dir /tmp/second --mount /mnt/second --port-base 22000 --storages 4 --groups 2\n"
        "  vcfs up --trackers 2 --catalog mariadb://vcfs:secret@127.0.0.1:3306/vcfs");
    return app;
  }

  int run() override {
    if (noMount_) requested_.mount = "";
    if (mountOption_->count() > 0) requested_.mount = normalMount(mount_);
    if (!options_.empty()) requested_.options = options_;
    LocalCluster cluster(dir_);
    decide(cluster);  // what cannot be is refused before anything is made
    Fd lock = cluster.lock();
    ClusterSettings settings = decide(cluster);  // another `up` may have been faster
    auto plan = planCluster(settings, cluster.dir());
    Launcher launcher(cluster, [this](const std::string& line) { say(line); });
    int started = start(cluster, launcher, plan, settings);
    Json status = waitRegistered(settings);
    report(cluster, settings, plan, started, std::move(status));
    if (std::string note = loneCopyNote(settings); !note.empty()) say(note);
    return kOk;
  }

 private:
  void number(CLI::App& app, const char* name, std::optional<int>& target, const char* meaning) {
    app.add_option_function<int>(
           name, [&target](int value) { target = value; }, meaning)
        ->type_name("N");
  }
  void text(CLI::App& app, const char* name, std::optional<std::string>& target, const char* meaning) {
    app.add_option_function<std::string>(
        name, [&target](const std::string& value) { target = value; }, meaning);
  }

  ClusterSettings decide(LocalCluster& cluster) {
    auto saved = cluster.loadSettings();
    Running running;
    if (saved) {
      for (const auto& spec : planCluster(*saved, cluster.dir())) {
        bool alive = cluster.running(spec.name).has_value();
        running.any |= alive;
        running.mounted |= alive && spec.role == Role::mount;
      }
    }
    ClusterSettings settings = decideSettings(saved, requested_, running, cluster.dir().root);
    if (!saved) settings.mount = normalMount(settings.mount);
    Launcher(cluster, [this](const std::string& line) {
      say(line);
    }).check(planCluster(settings, cluster.dir()), settings);
    return settings;
  }

  // Settings that never ran are forgotten, so that the next try may have others, or none.
  int start(LocalCluster& cluster, Launcher& launcher, const std::vector<ProcessSpec>& plan,
            const ClusterSettings& settings) {
    auto former = cluster.loadSettings();
    cluster.saveSettings(settings);
    try {
      return launcher.start(plan, settings);
    } catch (...) {
      if (former) cluster.saveSettings(*former);
      if (!former) ::unlink(cluster.dir().settings().c_str());
      throw;
    }
  }

  void say(const std::string& line) {
    std::FILE* out = json_ ? stderr : stdout;
    std::fprintf(out, "%s\n", line.c_str());
    std::fflush(out);
  }

  static int countUp(const Json& status, const char* list) {
    int count = 0;
    for (const auto& item : status.value(list, Json::array())) count += item.value("state", "") == "up";
    return count;
  }

  // What answers may not have been heard by the trackers yet, nor the trackers by each other.
  Json waitRegistered(const ClusterSettings& settings) {
    auto deadline = std::chrono::steady_clock::now() + kRegisteredLimit;
    while (true) {
      Json status = Json::parse(queryStatus(trackerAddresses(settings), kRegisteredLimit));
      int storages = countUp(status, "storages"), trackers = countUp(status, "trackers");
      if (storages >= settings.storages && trackers >= settings.trackers) return status;
      if (std::chrono::steady_clock::now() >= deadline) {
        say(fmt::format("warning: {} of {} storage servers and {} of {} trackers are heard of; see `vcfs status`",
                        storages, settings.storages, trackers, settings.trackers));
        if (const std::string refused = refusals(status.value("storages", Json::array())); !refused.empty())
          say(refused);
        return status;
      }
      std::this_thread::sleep_for(50ms);
    }
  }

  void report(const LocalCluster& cluster, const ClusterSettings& settings, const std::vector<ProcessSpec>& plan,
              int started, Json status) {
    if (json_) {
      mergeLocal(status, plan, localStates(cluster, plan, settings.mount), thisMount(settings.mount), true);
      printLine(status.dump(2));
      return;
    }
    std::string dirOption = cluster.dir().root == kDefaultDir ? "" : " --dir " + cluster.dir().root;
    printLine(started == 0 ? "everything was running already"
                           : fmt::format("the cluster in {} is up", cluster.dir().root));
    if (!settings.mount.empty()) printLine("store:    " + settings.mount);
    if (settings.httpds > 0) printLine(fmt::format("players:  http://{}/", address(settings, httpdPort(settings, 1))));
    printLine("trackers: " + join(trackerAddresses(settings)));
    printLine(fmt::format("next:     vcfs status{}   vcfs down{}", dirOption, dirOption));
  }

  std::string dir_ = kDefaultDir;
  std::string mount_;
  bool noMount_ = false;
  bool json_ = false;
  std::vector<std::string> options_;
  CLI::Option* mountOption_ = nullptr;
  RequestedSettings requested_;
};

class Down final : public Command {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = parent.add_subcommand("down", "Unmount a cluster of `vcfs up` and stop it; its data stays");
    app->add_option("--dir", dir_, "the cluster's directory")
        ->type_name("D")
        ->envname("VCFS_DIR")
        ->capture_default_str();
    app->add_flag("--force", force_, "detach the mount at once, even if somebody uses it");
    app->add_option("--busy-limit", busyLimit_, "seconds to wait for users of the mount before it is detached")
        ->check(CLI::Range(0, 3600))
        ->capture_default_str();
    app->add_flag("--remove-mount-point", removeMountPoint_,
                  "also take away the (empty, unwritable) mount point that `vcfs up` made");
    app->footer(
        "The mount point stays: it cannot be written to, so a recorder fails loudly instead of filling the local "
        "disk.\n"
        "`vcfs up` brings the cluster back. To delete it for good: vcfs down --remove-mount-point && rm -rf D\n"
        "Example: vcfs down");
    return app;
  }

  int run() override {
    LocalCluster cluster(dir_);
    auto settings = cluster.loadSettings();
    if (!settings) {
      printLine(fmt::format("there is no cluster in {}", cluster.dir().root));
      return kOk;
    }
    Fd lock = cluster.lock();
    auto plan = planCluster(*settings, cluster.dir());
    Launcher launcher(cluster, [](const std::string& line) { printLine(line); });
    Launcher::StopOptions options;
    options.force = force_;
    options.busyLimit = std::chrono::seconds(busyLimit_);
    int stopped = launcher.stop(plan, *settings, options);
    if (removeMountPoint_ && !settings->mount.empty()) {
      const std::string why = removeMountPoint(settings->mount);
      if (!why.empty()) printLine(fmt::format("the mount point {} stays: {}", settings->mount, why));
    }
    printLine(stopped == 0 ? "nothing was running"
                           : fmt::format("stopped {} processes; the data stays in {}", stopped, cluster.dir().root));
    return kOk;
  }

 private:
  std::string dir_ = kDefaultDir;
  bool force_ = false;
  bool removeMountPoint_ = false;
  int busyLimit_ = 10;
};

class Status final : public Command {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app =
        parent.add_subcommand("status", "Show what runs: trackers, storage servers, HTTP servers, mounts, room");
    target_.declare(*app);
    app->add_flag("--json", json_, "print JSON (docs/operations.md explains each field)");
    app->add_option("--timeout", timeout_, "how long to wait for a tracker's answer")
        ->type_name("TIME")
        ->capture_default_str();
    app->footer(
        "States: up; unreachable (not heard of for 3 s); down (the process is dead or does not answer).\n"
        "Exit code: 0 when a tracker answered, 1 when none did; then a cluster of `vcfs up` is shown as its processes\n"
        "were found.\n"
        "Examples:\n"
        "  vcfs status\n"
        "  vcfs status --trackers host1:21000,host2:21000 --json");
    return app;
  }

  int run() override {
    auto target = target_.resolve();
    parseTimeout(timeout_);
    Json status = Json::object();
    std::string failure = ask(target, status);
    if (!failure.empty() && !target.settings) throw Error(Errc::unavailable, failure);
    if (target.settings) {
      LocalCluster cluster(target.dir);
      auto plan = planCluster(*target.settings, cluster.dir());
      const std::string& mount = target.settings->mount;
      mergeLocal(status, plan, localStates(cluster, plan, mount), thisMount(mount), failure.empty());
    }
    printLine(json_ ? status.dump(2, ' ', false, Json::error_handler_t::replace) : statusText(status));
    if (failure.empty()) return kOk;
    complain("status: " + failure);
    return kFailed;
  }

 private:
  // What went wrong; "" when a tracker answered.
  std::string ask(const TargetOptions::Target& target, Json& status) {
    if (target.settings && !anyTrackerLives(target)) {
      return fmt::format("the cluster in {} is not running: start it with `vcfs up --dir {}`", target.dir, target.dir);
    }
    try {
      status = Json::parse(queryStatus(target.trackers, parseTimeout(timeout_)));
      return "";
    } catch (const Error& e) {
      return fmt::format("no tracker of {} answers ({})", join(target.trackers),
                         e.detail().empty() ? e.what() : e.detail());
    } catch (const std::exception& e) {
      return fmt::format("no tracker of {} answers as it should ({})", join(target.trackers), e.what());
    }
  }

  static bool anyTrackerLives(const TargetOptions::Target& target) {
    LocalCluster cluster(target.dir);
    for (int i = 1; i <= target.settings->trackers; ++i) {
      if (cluster.running("tracker-" + std::to_string(i))) return true;
    }
    return false;
  }

  TargetOptions target_;
  std::string timeout_ = "3s";
  bool json_ = false;
};

}  // namespace

Commands clusterCommands() {
  Commands commands;
  commands.push_back(std::make_unique<Up>());
  commands.push_back(std::make_unique<Down>());
  commands.push_back(std::make_unique<Status>());
  return commands;
}

}  // namespace vcfs::cli
