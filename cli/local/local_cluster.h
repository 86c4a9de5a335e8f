#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/core/plan.h"
#include "cli/local/files.h"
#include "cli/local/process.h"

// The processes of one `vcfs up` cluster under its directory. Blocking.
namespace vcfs::cli {

class LocalCluster {
 public:
  // `dir` may be relative; nothing is made yet.
  explicit LocalCluster(const std::string& dir);
  const StateDir& dir() const { return dir_; }

  bool exists() const;  // has settings
  // nullopt when there are none; throws Error(corrupted), Error(accessDenied).
  std::optional<ClusterSettings> loadSettings() const;
  void saveSettings(const ClusterSettings& settings);

  // Makes the directories and keeps others' `up` and `down` out while the result lives. Throws Error(unavailable) when
  // another one is at work for more than 60 s.
  Fd lock();

  // The live process of this name that a former `up` started.
  std::optional<ProcessIdentity> running(const std::string& name) const;
  void started(const std::string& name, const ProcessIdentity& identity);
  void stopped(const std::string& name);

 private:
  StateDir dir_;
};

}  // namespace vcfs::cli
