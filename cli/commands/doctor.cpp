// doctor: whether a running cluster is well, tried out.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>

#include "cli/command.h"
#include "cli/core/text.h"
#include "cli/core/usage_error.h"
#include "cli/doctor/probe.h"
#include "cli/local/launcher.h"
#include "cli/local/mounts.h"
#include "common/base/version.h"

namespace vcfs::cli {
namespace {

using Json = nlohmann::ordered_json;
using doctor::Findings;
using doctor::Level;

constexpr double kPromisedMs = 100;  // a server's process dies
constexpr double kWorstMs = 3000;

class Doctor final : public ClientCommand {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = parent.add_subcommand("doctor", "Try out a running cluster and say what is wrong and what to do");
    app->add_flag("--kill", kill_,
                  "kill -9 a storage server under a recording, show the stall, start it again (clusters of `vcfs up`)");
    declareJson(*app);
    app->footer(
        "Writes, follows and reads back a file on every storage server; asks every daemon for its version, its\n"
        "settings, its clock and its disk; looks at free space, degraded files, mounts of this host and FUSE.\n"
        "The files are deleted again.\n"
        "Exit code: 0 all is well, or there are warnings; 1 something is wrong; it says what and what to do.\n"
        "Examples:\n"
        "  vcfs doctor\n"
        "  vcfs doctor --trackers host1:21000,host2:21000 --json\n"
        "  vcfs doctor --kill");
    declareCommon(*app, "10s");
    return app;
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    if (kill_ && !target().settings) {
      throw UsageError("--kill is for a cluster that `vcfs up` started on this machine (--dir D)");
    }
    const ClusterOptions& options = cluster->options();
    auto links = std::make_shared<Links>(runtime(), options.trackers, options.stallLimit);
    Findings findings;
    const std::string text = co_await cluster->statusJson();
    const Json status = Json::parse(text);
    const std::vector<doctor::Daemon> daemons = co_await doctor::askAll(links, status);
    doctor::judgeReach(daemons, findings);
    doctor::judgeVersions(daemons, VCFS_VERSION, findings);
    doctor::judgeSettings(daemons, findings);
    doctor::judgeClocks(daemons, findings);
    doctor::judgeStatus(status, findings);
    doctor::judgeDisks(daemons, findings);
    lookAround(findings);
    co_await doctor::tryStorages(cluster, links, status, findings);
    if (kill_) co_await killOne(cluster, findings);
    co_return show(findings);
  }

  // This host: can it mount, and are its mounts in order?
  void lookAround(Findings& findings) const {
    const std::string obstacle = mountObstacle();
    if (obstacle.empty()) {
      findings.push_back({Level::good, "fuse", "this host can mount the store", ""});
    } else {
      findings.push_back({Level::warning, "fuse", "this host cannot mount the store: " + obstacle,
                          "`modprobe fuse`; in a container --device /dev/fuse --cap-add SYS_ADMIN"});
    }
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
      const auto dash = line.find(" - fuse.vcfs ");
      if (dash == std::string::npos) continue;
      std::istringstream words(line);
      std::string skip, point, options;
      words >> skip >> skip >> skip >> skip >> point >> options;
      const std::string super = line.substr(line.rfind(' ') + 1);
      const bool checked = super.find("default_permissions") != std::string::npos;
      findings.push_back({checked ? Level::good : Level::warning, "mount", fmt::format("{} ({})", point, options),
                          checked ? "" : "permissions are not checked by the kernel: mount it by mount.vcfs"});
    }
  }

  Task<void> killOne(std::shared_ptr<Cluster> cluster, Findings& findings) {
    LocalCluster local(target().dir);
    auto kill = [&local](const std::string& name) {
      const auto process = local.running("storage-" + name);
      if (!process) throw Error(Errc::unavailable, name + " is not a process of this machine's cluster");
      ::kill(process->pid, SIGKILL);
    };
    std::function<void(const std::string&)> action = kill;
    doctor::Stall stall;
    std::optional<Error> failure;
    try {
      stall = co_await doctor::recordThroughKill(runtime(), cluster, action);
    } catch (const Error& error) {
      failure = error;
    }
    // Whatever happened: what was killed runs again.
    Fd lock = local.lock();
    Launcher launcher(local, [](const std::string&) {});
    auto plan = planCluster(*target().settings, local.dir());
    std::erase_if(plan, [](const ProcessSpec& spec) { return spec.role != Role::storage; });
    launcher.start(plan, *target().settings);
    if (failure) {
      findings.push_back({Level::bad, "kill", failure->what(), "`vcfs status`, and the logs in " + local.dir().logs()});
      co_return;
    }
    const Level level = stall.longestMs > kWorstMs      ? Level::bad
                        : stall.longestMs > kPromisedMs ? Level::warning
                                                        : Level::good;
    findings.push_back(
        {level, "kill",
         fmt::format("{} was killed under a recording and started again: its longest stall was {:.0f} ms, "
                     "all of {} is there",
                     stall.victim, stall.longestMs, humanBytes(stall.bytes)),
         level == Level::good ? "" : "at most 100 ms are promised: is the machine overloaded?"});
  }

  int show(const Findings& findings) const {
    bool bad = false;
    Json list = Json::array();
    for (const doctor::Finding& finding : findings) {
      bad = bad || finding.level == Level::bad;
      list.push_back({{"level", doctor::nameOf(finding.level)},
                      {"check", finding.check},
                      {"what", finding.what},
                      {"remedy", finding.remedy}});
      if (json()) continue;
      printLine(fmt::format("{:<8} {:<11} {}", doctor::nameOf(finding.level), finding.check, finding.what));
      if (!finding.remedy.empty()) printLine(fmt::format("{:<21}{}", "", finding.remedy));
    }
    if (json()) printLine(Json{{"well", !bad}, {"findings", list}}.dump(2, ' ', false, Json::error_handler_t::replace));
    return bad ? kFailed : kOk;
  }

  bool kill_ = false;
};

}  // namespace

Commands doctorCommands() {
  Commands commands;
  commands.push_back(std::make_unique<Doctor>());
  return commands;
}

}  // namespace vcfs::cli
