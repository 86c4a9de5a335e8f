#pragma once

#include <optional>
#include <string>
#include <vector>

// What a one-machine cluster of `vcfs up` consists of. Kept as <dir>/cluster.json, so that a second `up` needs no
// options. Decisions only, no I/O.
namespace vcfs::cli {

struct ClusterSettings {
  int trackers = 1;                    // 1 … 10; more than one needs a mariadb:// catalog
  int idservers = 1;                   // 1 … 10; more than one shares the mariadb:// catalog
  int storages = 2;                    // 1 … 400, spread round-robin over the groups
  int groups = 1;                      // 1 … storages
  int copies = 2;                      // of a new file, 1 … 8, at most the servers of the smallest group
  int httpds = 1;                      // 0 … 20
  std::string catalog = "sqlite";      // or mariadb://user:pw@host:port/db
  std::string listen = "127.0.0.1";    // the address every daemon listens at and is known by
  int portBase = 21000;                // 1024 … 65000
  std::string mount = "/mnt/vcstore";  // "": no mount
  std::vector<std::string> options;    // ROLE.NAME=VALUE for the daemons of a role, e.g. storage.reserve=1GiB

  bool embeddedCatalog() const { return catalog == "sqlite"; }
  friend bool operator==(const ClusterSettings&, const ClusterSettings&) = default;
};

// The options given on the command line; what is absent was not given.
struct RequestedSettings {
  std::optional<int> trackers, idservers, storages, groups, copies, httpds, portBase;
  std::optional<std::string> catalog, listen, mount;
  std::optional<std::vector<std::string>> options;
};

// The settings of the cluster that `up` shall run. Throws UsageError for values outside their range, combinations that
// cannot work, and options that contradict the saved settings. What may change: the mount point while it is not
// mounted; addresses and ports while nothing runs; options of roles.
struct Running {
  bool any = false;      // a process of this cluster
  bool mounted = false;  // its mount
};
ClusterSettings decideSettings(const std::optional<ClusterSettings>& saved, const RequestedSettings& requested,
                               Running running, const std::string& dir);

// What who runs a cluster without a second copy should know; "" for others.
std::string loneCopyNote(const ClusterSettings& settings);

std::string toJson(const ClusterSettings& settings);
// Throws Error(corrupted) naming `file` when the text is no such JSON or is of a later version.
ClusterSettings settingsFromJson(const std::string& text, const std::string& file);

// One ROLE.NAME=VALUE.
struct RoleOption {
  std::string role, name, value;
};
RoleOption parseRoleOption(const std::string& text);  // throws UsageError

// The addresses of all trackers, "host:port".
std::vector<std::string> trackerAddresses(const ClusterSettings& settings);
// What its mount is mounted from.
std::string mountSource(const ClusterSettings& settings);
// Whether a source, as people write it in fstab and /proc/self/mountinfo has it, is all of this cluster's store: some
// of its trackers, with or without a port.
bool isMountSource(const std::string& source, const ClusterSettings& settings);
// The trackers in a mount's source "host:port,host:/sub", with ports; empty when it is no such source.
std::vector<std::string> trackersOfSource(const std::string& source);
// Whether a tracker is in both lists, as far as the letters tell. That none is may be due to another spelling.
bool shareTracker(const std::vector<std::string>& some, const std::vector<std::string>& others);
std::string join(const std::vector<std::string>& items, const std::string& separator = ",");

}  // namespace vcfs::cli
