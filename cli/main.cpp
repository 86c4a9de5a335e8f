// The `vcfs` command: the clients' and the administrator's tool in one.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <iterator>

#include "cli/command.h"
#include "cli/core/usage_error.h"
#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/version.h"

namespace {

using namespace vcfs;
using namespace vcfs::cli;

constexpr const char* kPurpose =
    "vcfs: a distributed recording filesystem. Every byte lies on two storage servers while it is being written.\n"
    "`vcfs COMMAND --help` explains a command with examples.";

constexpr const char* kFooter =
    "A cluster on this machine:     vcfs up            (mounts the store at /mnt/vcstore)\n"
    "What runs, and how full it is: vcfs status\n"
    "Where a recording lies:        vcfs stat /user/meeting.mp4\n"
    "Without a mount:               vcfs put meeting.mp4 /user/   and   vcfs get /user/meeting.mp4\n"
    "\n"
    "Which cluster: --dir D (one of `vcfs up`; default /var/lib/vcfs) or --trackers host:port,…\n"
    "(environment: VCFS_DIR, VCFS_TRACKERS).\n"
    "Exit codes: 0 done, 1 failed (the message says why), 2 wrong usage.";

std::string shown(const Error& e) { return e.detail().empty() ? std::string(nameOf(e.code())) : e.detail(); }

int runChosen(Command& command, const std::string& name) {
  try {
    return command.run();
  } catch (const UsageError& e) {
    complain(name + ": " + e.what());
    std::fprintf(stderr, "Try 'vcfs %s --help'.\n", name.c_str());
    return kUsage;
  } catch (const Error& e) {
    complain(name + ": " + shown(e));
  } catch (const std::exception& e) {
    complain(name + ": " + e.what());
  }
  return kFailed;
}

// "user assign" of the nested subcommand.
std::string nameOf(const CLI::App* app) {
  std::string name = app->get_name();
  for (const CLI::App* parent = app->get_parent(); parent && parent->get_parent(); parent = parent->get_parent()) {
    name = parent->get_name() + " " + name;
  }
  return name;
}

}  // namespace

int main(int argc, char** argv) {
  log::setup(log::Level::off, "vcfs");
  CLI::App app(kPurpose, "vcfs");
  app.footer(kFooter);
  app.set_version_flag("--version", VCFS_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);

  Commands commands = clusterCommands();
  for (auto* more : {&fileCommands, &adminCommands, &storageCommands, &fsckCommands, &doctorCommands}) {
    Commands next = (*more)();
    std::move(next.begin(), next.end(), std::back_inserter(commands));
  }
  std::vector<CLI::App*> declared;
  for (auto& command : commands) declared.push_back(command->declare(app));

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    const CLI::App* at = &app;
    while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
    std::string name = at == &app ? "" : nameOf(at) + " ";
    complain((at == &app ? "" : nameOf(at) + ": ") + e.what());
    std::fprintf(stderr, "Try 'vcfs %s--help'.\n", name.c_str());
    return kUsage;
  }
  // The most deeply nested one that was named: "user assign" is declared before "user" could answer for itself.
  for (std::size_t i = 0; i < commands.size(); ++i) {
    if (!declared[i]->parsed() || !declared[i]->get_subcommands().empty()) continue;
    int code = runChosen(*commands[i], nameOf(declared[i]));
    return std::fflush(stdout) == 0 ? code : kFailed;
  }
  std::fprintf(stderr, "vcfs: which command? Try 'vcfs --help'.\n");
  return kUsage;
}
