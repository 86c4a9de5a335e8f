// fsck: the catalog against the disks of all servers, while the cluster works.
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/core/text.h"
#include "cli/fsck/scan.h"

namespace vcfs::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr int kFound = 1;
constexpr int kNotChecked = 2;

Json toJson(const fsck::Problem& problem) {
  Json json{{"kind", fsck::nameOf(problem.finding.kind)}, {"path", problem.path}};
  json["id"] = fmt::format("{:016x}", problem.inode);
  if (!problem.server.empty()) json["storage"] = problem.server;
  if (!problem.file.empty()) json["file"] = problem.file;
  json["detail"] = problem.finding.detail;
  json["repaired"] = problem.repaired;
  json["remedy"] = problem.remedy;
  return json;
}

Json toJson(const fsck::Report& report) {
  Json json{{"clean", report.clean()}, {"found", report.found}, {"unreachable", report.unreachable}};
  json["checked"] = {{"inodes", report.files},
                     {"names", report.names},
                     {"replicas", report.replicas},
                     {"bytes_compared", report.bytesCompared}};
  json["problems"] = Json::array();
  for (const fsck::Problem& problem : report.problems) json["problems"].push_back(toJson(problem));
  return json;
}

std::string toText(const fsck::Problem& problem) {
  const std::string what = problem.path.empty() ? fmt::format("file {:016x}", problem.inode) : printable(problem.path);
  const std::string where = problem.server.empty() ? "" : " on " + problem.server;
  std::string text =
      fmt::format("{}{}: {}: {}", what, where, fsck::nameOf(problem.finding.kind), problem.finding.detail);
  if (!problem.file.empty()) text += "\n    file:   " + problem.file;
  if (!problem.remedy.empty()) text += (problem.repaired ? "\n    done:   " : "\n    remedy: ") + problem.remedy;
  return text;
}

class Fsck final : public ClientCommand {
 public:
  CLI::App* declare(CLI::App& parent) override {
    auto* app = parent.add_subcommand("fsck", "Check the catalog against the disks of all servers, while they work");
    app->add_flag("--deep", options_.deep, "compare the bytes of every closed file's replicas too (reads everything)");
    app->add_flag(
        "--repair", options_.repair,
        "delete files that nobody needs (older than the trash retention), copy again what is missing or wrong");
    app->add_option("--limit", options_.most, "problems that are told one by one; all are counted")
        ->check(CLI::Range(1, 100'000))
        ->capture_default_str();
    declareJson(*app);
    app->footer(
        "Finds: missing, extra, size, checksum (--deep), unreadable, stale and degraded replicas; lost files; orphan "
        "rows, "
        "dangling\n"
        "names, wrong link counts, leaked inodes of the catalog. What is being written or changed is not judged: each\n"
        "problem was seen three times, a second apart.\n"
        "Exit code: 0 clean; 1 problems were found (also when they were repaired); 2 it could not be checked: no "
        "tracker\n"
        "answered, or (named) servers could not be asked.\n"
        "Examples:\n"
        "  vcfs fsck\n"
        "  vcfs fsck --deep --json\n"
        "  vcfs fsck --repair");
    declareCommon(*app, "30s");
    return app;
  }

  int run() override {
    try {
      return ClientCommand::run();
    } catch (const Error& error) {
      complain("fsck: " + (error.detail().empty() ? std::string(nameOf(error.code())) : error.detail()));
      return kNotChecked;
    }
  }

 private:
  Task<int> perform(std::shared_ptr<Cluster> cluster) override {
    const ClusterOptions& options = cluster->options();
    auto links = std::make_shared<Links>(runtime(), options.trackers, options.stallLimit);
    fsck::Sources sources(links);
    fsck::Scan scan(sources, options_);
    co_await scan.run();
    const fsck::Report& report = scan.report();
    if (json()) {
      printLine(toJson(report).dump(2, ' ', false, Json::error_handler_t::replace));
    } else {
      print(report);
    }
    if (report.found > 0) co_return kFound;
    co_return report.unreachable.empty() ? kOk : kNotChecked;
  }

  static void print(const fsck::Report& report) {
    for (const fsck::Problem& problem : report.problems) printLine(toText(problem));
    for (const std::string& name : report.unreachable) {
      printLine(name + ": not checked, it cannot be reached (gone for good: `vcfs storage remove " + name +
                " --accept-loss --dry-run` tells what only it has)");
    }
    if (report.found > report.problems.size()) {
      printLine(fmt::format("… and {} more (--limit)", report.found - report.problems.size()));
    }
    printLine(fsck::summary(report));
  }

  fsck::Options options_;
};

}  // namespace

Commands fsckCommands() {
  Commands commands;
  commands.push_back(std::make_unique<Fsck>());
  return commands;
}

}  // namespace vcfs::cli
