#include "cli/core/plan.h"

#include "cli/core/ports.h"

namespace vcfs::cli {
namespace {

class Planner {
 public:
  Planner(const ClusterSettings& settings, const StateDir& dir) : s_(settings), dir_(dir) {}

  std::vector<ProcessSpec> plan() {
    for (int i = 1; i <= s_.idservers; ++i) idserver(i);
    for (int i = 1; i <= s_.trackers; ++i) tracker(i);
    for (int i = 1; i <= s_.storages; ++i) storage(i);
    for (int i = 1; i <= s_.httpds; ++i) httpd(i);
    if (!s_.mount.empty()) mount();
    return std::move(specs_);
  }

 private:
  ProcessSpec& daemon(Role role, const std::string& name, int port) {
    ProcessSpec spec;
    spec.role = role;
    spec.name = name;
    spec.program = "vcfs-" + std::string(nameOf(role));
    spec.port = port;
    spec.address = address(s_, port);
    spec.arguments = {"--listen", spec.address, "--ready-file", dir_.readyFile(name)};
    specs_.push_back(std::move(spec));
    return specs_.back();
  }

  void add(ProcessSpec& spec, std::initializer_list<std::string> arguments) {
    spec.arguments.insert(spec.arguments.end(), arguments);
  }

  void addOptions(ProcessSpec& spec) {
    for (const auto& text : s_.options) {
      RoleOption option = parseRoleOption(text);
      if (option.role == nameOf(spec.role)) add(spec, {"--" + option.name + "=" + option.value});
    }
  }

  std::string idserverAddresses() const {
    std::vector<std::string> list;
    for (int i = 1; i <= s_.idservers; ++i) list.push_back(address(s_, idserverPort(s_, i)));
    return join(list);
  }

  void idserver(int i) {
    ProcessSpec& spec = daemon(Role::idserver, "idserver-" + std::to_string(i), idserverPort(s_, i));
    if (s_.idservers > 1) {
      // Several share the catalog.
      spec.config = "catalog = \"" + s_.catalog + "\"\n";
      add(spec, {"--config", dir_.configFile(spec.name)});
    } else {
      spec.data = dir_.root + "/ids/" + std::to_string(i);
      add(spec, {"--data", spec.data});
    }
    addOptions(spec);
  }

  void tracker(int i) {
    ProcessSpec& spec = daemon(Role::tracker, "tracker-" + std::to_string(i), trackerPort(s_, i));
    add(spec, {"--idservers", idserverAddresses(), "--trackers", join(trackerAddresses(s_)), "--copies",
               std::to_string(s_.copies)});
    if (s_.embeddedCatalog()) {
      spec.data = dir_.root + "/catalog";
      add(spec, {"--catalog", "sqlite:" + spec.data + "/catalog.db"});
    } else {
      spec.config = "catalog = \"" + s_.catalog + "\"\n";
      add(spec, {"--config", dir_.configFile(spec.name)});
    }
    addOptions(spec);
  }

  void storage(int i) {
    std::string name = "s" + std::to_string(i);
    ProcessSpec& spec = daemon(Role::storage, "storage-" + name, storagePort(s_, i));
    spec.storage = name;
    spec.group = "g" + std::to_string((i - 1) % s_.groups + 1);
    spec.data = dir_.root + "/storage/" + name;
    add(spec, {"--name", name, "--group", spec.group, "--data", spec.data, "--trackers", join(trackerAddresses(s_))});
    addOptions(spec);
  }

  void httpd(int i) {
    ProcessSpec& spec = daemon(Role::httpd, "httpd-" + std::to_string(i), httpdPort(s_, i));
    add(spec, {"--trackers", join(trackerAddresses(s_))});
    addOptions(spec);
  }

  void mount() {
    ProcessSpec spec;
    spec.role = Role::mount;
    spec.name = "mount";
    spec.program = "mount.vcfs";
    std::vector<std::string> options{"rw"};
    for (const auto& text : s_.options) {
      RoleOption option = parseRoleOption(text);
      if (option.role == "mount")
        options.push_back(option.value.empty() ? option.name : option.name + "=" + option.value);
    }
    spec.arguments = {mountSource(s_),           s_.mount, "--foreground", "--ready-file",
                      dir_.readyFile(spec.name), "-o",     join(options)};
    specs_.push_back(std::move(spec));
  }

  const ClusterSettings& s_;
  const StateDir& dir_;
  std::vector<ProcessSpec> specs_;
};

}  // namespace

std::string_view nameOf(Role role) {
  switch (role) {
    case Role::idserver:
      return "idserver";
    case Role::tracker:
      return "tracker";
    case Role::storage:
      return "storage";
    case Role::httpd:
      return "httpd";
    case Role::mount:
      return "mount";
  }
  return "?";
}

std::string address(const ClusterSettings& s, int port) {
  bool v6 = s.listen.find(':') != std::string::npos && s.listen.front() != '[';
  return (v6 ? "[" + s.listen + "]" : s.listen) + ":" + std::to_string(port);
}

std::vector<ProcessSpec> planCluster(const ClusterSettings& settings, const StateDir& dir) {
  return Planner(settings, dir).plan();
}

}  // namespace vcfs::cli
