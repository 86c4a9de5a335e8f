#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/core/cluster_settings.h"

// Which processes a one-machine cluster consists of and how each is started. Decisions only, no I/O.
namespace vcfs::cli {

enum class Role { idserver, tracker, storage, httpd, mount };
std::string_view nameOf(Role role);

// Where things lie under the cluster's directory.
struct StateDir {
  std::string root;  // absolute
  std::string settings() const { return root + "/cluster.json"; }
  std::string run() const { return root + "/run"; }
  std::string logs() const { return root + "/log"; }
  std::string lock() const { return run() + "/lock"; }
  std::string pidFile(const std::string& name) const { return run() + "/" + name + ".pid"; }
  std::string identityFile(const std::string& name) const { return run() + "/" + name + ".started"; }
  std::string readyFile(const std::string& name) const { return run() + "/" + name + ".ready"; }
  std::string configFile(const std::string& name) const { return run() + "/" + name + ".conf"; }
  std::string log(const std::string& name) const { return logs() + "/" + name + ".log"; }
};

struct ProcessSpec {
  Role role = Role::tracker;
  std::string name;     // unique in the cluster: tracker-1, storage-s1, mount …
  std::string program;  // vcfs-tracker …
  std::vector<std::string> arguments;
  std::string address;         // host:port; of the mount: empty
  int port = 0;                // 0: listens at none
  std::string data;            // its data directory, made before the start; "" for none
  std::string storage, group;  // of storages
  std::string config;          // what StateDir::configFile shall say (secrets never go on a command line); "" none
};

// In the order in which they are to be started; they are stopped in the opposite order.
std::vector<ProcessSpec> planCluster(const ClusterSettings& settings, const StateDir& dir);

}  // namespace vcfs::cli
