#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/target.h"
#include "common/runtime/runtime.h"
#include "vcfs/cluster.h"
#include "vcfs/loop.h"

namespace vcfs::cli {

inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;

// One subcommand of `vcfs`. Errors leave run() as UsageError (exit 2) or Error (exit 1).
class Command {
 public:
  virtual ~Command() = default;
  virtual CLI::App* declare(CLI::App& parent) = 0;  // the subcommand it made
  virtual int run() = 0;                            // the exit code
};

// A command that asks a running cluster. perform() runs on the loop with a connection.
class ClientCommand : public Command {
 public:
  int run() override;

 protected:
  virtual Task<int> perform(std::shared_ptr<Cluster> cluster) = 0;

  void declareCommon(CLI::App& app, const char* defaultTimeout);
  void declareJson(CLI::App& app);
  // In the store. Throws UsageError as storePath(), and for a path under a mount that may be another cluster's.
  Task<std::string> path(std::shared_ptr<Cluster> cluster, std::string typed);
  // Whether a mount with this source (as /proc/self/mountinfo has it) is one of the cluster's, however its trackers are
  // written: where the letters do not tell, both are asked. nullopt: none of its trackers answered.
  Task<std::optional<bool>> isOurMount(std::shared_ptr<Cluster> cluster, std::string source);
  Runtime& runtime() { return *runtime_; }
  bool json() const { return json_; }
  const TargetOptions::Target& target() const { return target_; }

 private:
  struct Outcome;
  Task<void> drive(std::shared_ptr<Outcome> outcome);

  TargetOptions options_;
  TargetOptions::Target target_;
  std::set<std::string> ourSources_;  // of mounts whose trackers were asked
  std::string timeout_;
  bool json_ = false;
  Runtime* runtime_ = nullptr;
};

// Runs a coroutine on a loop, and the loop until it is quiet. Exceptions of the task leave it.
void runToEnd(Loop& loop, Task<void> task);

// The entry at a path; throws Error(notFound) that names it.
Task<Entry> entryAt(std::shared_ptr<Cluster> cluster, std::string path, bool follow);

// Of --timeout; throws UsageError.
std::chrono::milliseconds parseTimeout(const std::string& text);

void printLine(const std::string& text);  // on standard output
// "vcfs: text" on standard error.
void complain(const std::string& text);

using Commands = std::vector<std::unique_ptr<Command>>;
Commands clusterCommands();  // up, down, status
Commands fileCommands();     // stat, put, get, cat, follow, ls, rm, mkdir
Commands adminCommands();    // groups, group set, users, user assign
Commands fsckCommands();     // fsck
Commands doctorCommands();   // doctor
Commands storageCommands();  // storage list, storage drain, storage remove

}  // namespace vcfs::cli
