#include "cli/doctor/diagnosis.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <spdlog/fmt/fmt.h>

#include "cli/core/text.h"

namespace vcfs::cli::doctor {

namespace {

constexpr std::int64_t kClockWarning = 250'000'000;
constexpr std::int64_t kClockBad = 1'000'000'000;
constexpr double kLittleSpace = 0.05;

std::string field(const nlohmann::ordered_json& object, const char* key) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return "";
  return it->is_string() ? it->get<std::string>() : it->dump();
}

bool hasOption(const std::string& options, const std::string& wanted) {
  return ("," + options + ",").find("," + wanted + ",") != std::string::npos;
}

// Newer kernels have words of their own for a filesystem that they closed after an error.
bool takesNoWrites(const std::string& options) {
  return hasOption(options, "ro") || hasOption(options, "emergency_ro") || hasOption(options, "shutdown");
}

// What fits one machine or disk may not fit another.
bool isOfMachine(const std::string& setting) {
  static constexpr std::string_view names[] = {"cached-files", "catalog-connections", "catch-up-files", "catch-up-rate",
                                               "inline-write", "open-files",          "recover-above",  "spin",
                                               "writeback"};
  return std::find(std::begin(names), std::end(names), setting) != std::end(names);
}

std::string plural(const std::string& role) {
  if (role == "storage") return "storage servers";
  return role == "idserver" ? "ID servers" : role + "s";
}

struct Setting {
  std::string role, name;
  friend auto operator<=>(const Setting&, const Setting&) = default;
};

// Each setting's values, and who has them.
std::map<Setting, std::map<std::string, std::string>> valuesOf(const std::vector<Daemon>& daemons) {
  std::map<Setting, std::map<std::string, std::string>> values;
  for (const Daemon& daemon : daemons) {
    for (const auto& [name, value] : daemon.settings) {
      std::string& who = values[{daemon.role, name}][value];
      who += (who.empty() ? "" : " and ") + daemon.name;
    }
  }
  return values;
}

void judgeSpace(const nlohmann::ordered_json& storage, Findings& findings) {
  const auto capacity = storage.value("capacity_bytes", std::uint64_t{0});
  const auto free = storage.value("free_bytes", std::uint64_t{0});
  const std::string name = field(storage, "name");
  if (capacity == 0) return;
  const std::string room = humanBytes(free) + " of " + humanBytes(capacity) + " free above the reserve";
  if (free == 0) {
    findings.push_back({Level::bad, "space", name + " is full: " + room,
                        "delete recordings, add a storage server to group " + field(storage, "group")});
  } else if (static_cast<double>(free) < kLittleSpace * static_cast<double>(capacity)) {
    findings.push_back({Level::warning, "space", name + ": " + room,
                        "add a storage server to group " + field(storage, "group") + " before it is full"});
  } else {
    findings.push_back({Level::good, "space", name + ": " + room, ""});
  }
}

}  // namespace

const char* nameOf(Level level) {
  switch (level) {
    case Level::good:
      return "ok";
    case Level::warning:
      return "warning";
    case Level::bad:
      return "bad";
  }
  return "?";
}

void judgeReach(const std::vector<Daemon>& daemons, Findings& findings) {
  for (const Daemon& daemon : daemons) {
    if (daemon.failure.empty()) continue;
    findings.push_back({Level::bad, "reach", daemon.role + " " + daemon.name + " does not answer: " + daemon.failure,
                        "look whether its process runs and its port is open from here (`vcfs up`, `systemctl status "
                        "'vcfs-" +
                            daemon.role + "*'`)"});
  }
  if (std::all_of(daemons.begin(), daemons.end(), [](const Daemon& d) { return d.failure.empty(); })) {
    findings.push_back({Level::good, "reach", fmt::format("all {} daemons answer", daemons.size()), ""});
  }
}

void judgeVersions(const std::vector<Daemon>& daemons, const std::string& own, Findings& findings) {
  std::map<std::string, std::string> versions{{own, "this command"}};
  for (const Daemon& daemon : daemons) {
    if (daemon.failure.empty() && !daemon.version.empty())
      versions.try_emplace(daemon.version, daemon.role + " " + daemon.name);
  }
  if (versions.size() == 1) {
    findings.push_back({Level::good, "version", "all run " + own, ""});
    return;
  }
  std::string list;
  for (const auto& [version, who] : versions) {
    list += fmt::format("{}{} ({})", list.empty() ? "" : ", ", version, who);
  }
  findings.push_back({Level::warning, "version", "several versions: " + list, "finish the upgrade"});
}

void judgeClocks(const std::vector<Daemon>& daemons, Findings& findings) {
  // Ours among them, which is 0.
  const Daemon* slow = nullptr;
  const Daemon* fast = nullptr;
  std::int64_t lowest = 0, highest = 0, doubt = 0;
  for (const Daemon& daemon : daemons) {
    if (!daemon.failure.empty() || daemon.clockNs == 0) continue;
    if (daemon.clockNs < lowest) lowest = daemon.clockNs, slow = &daemon;
    if (daemon.clockNs > highest) highest = daemon.clockNs, fast = &daemon;
    doubt = std::max(doubt, daemon.roundTripNs / 2);
  }
  const std::int64_t apart = std::max<std::int64_t>(0, highest - lowest - doubt);
  const std::string text = fmt::format("clocks are at most {} ms apart", (highest - lowest + doubt) / 1'000'000);
  if (apart < kClockWarning) {
    findings.push_back({Level::good, "clock", text, ""});
    return;
  }
  const std::string behind = slow ? slow->role + " " + slow->name : "this host";
  const std::string ahead = fast ? fast->role + " " + fast->name : "this host";
  findings.push_back({apart < kClockBad ? Level::warning : Level::bad, "clock",
                      fmt::format("the clock of {} is {} ms ahead of that of {}", ahead, apart / 1'000'000, behind),
                      "run chrony or systemd-timesyncd on both hosts: leases and the times of files rest on clocks"});
}

void judgeSettings(const std::vector<Daemon>& daemons, Findings& findings) {
  bool alike = true;
  for (const auto& [setting, values] : valuesOf(daemons)) {
    if (values.size() == 1 || isOfMachine(setting.name)) continue;
    alike = false;
    std::string list;
    for (const auto& [value, who] : values) {
      list += fmt::format("{}{} ({})", list.empty() ? "" : "; ", value.empty() ? "none" : value, who);
    }
    findings.push_back({Level::warning, "settings",
                        fmt::format("{} of {} differs: {}", setting.name, plural(setting.role), list),
                        "give all of them one value in their settings files and restart them one by one"});
  }
  if (alike) findings.push_back({Level::good, "settings", "servers of one role have the same settings", ""});
}

void judgeDisks(const std::vector<Daemon>& daemons, Findings& findings) {
  for (const Daemon& daemon : daemons) {
    if (daemon.role != "storage" || !daemon.failure.empty() || daemon.filesystem.empty()) continue;
    const std::string on = daemon.name + ": " + daemon.filesystem + " (" + daemon.mountOptions + ")";
    const bool known = daemon.filesystem == "ext4" || daemon.filesystem == "xfs";
    if (takesNoWrites(daemon.mountOptions)) {
      findings.push_back(
          {Level::bad, "disk", on + " takes no writes",
           "the kernel does so after errors of the disk: `dmesg`; drain the server and replace the disk"});
    } else if (!known) {
      findings.push_back({Level::warning, "disk", on, "recordings belong on ext4 or xfs, which were tested"});
    } else {
      findings.push_back({Level::good, "disk", on, ""});
    }
  }
}

void judgeStatus(const nlohmann::ordered_json& status, Findings& findings) {
  for (const auto& storage : status.value("storages", nlohmann::ordered_json::array())) {
    const std::string name = field(storage, "name");
    if (const std::string reason = field(storage, "refused"); !reason.empty()) {
      findings.push_back({Level::bad, "storage", fmt::format("{} runs, and is refused: {}", name, reason),
                          "do what the reason says; `vcfs storage remove --help` has the steps for a broken disk"});
      continue;
    }
    if (field(storage, "state") != "up") {
      findings.push_back({Level::bad, "storage", name + " is " + field(storage, "state"),
                          fmt::format("start it (`vcfs up`; under systemd the unit of that disk, e.g. `systemctl start "
                                      "vcfs-storage@disk1`), or if it is gone for good: `vcfs storage drain {0} "
                                      "--wait`, then `vcfs storage remove {0}` (where the group has no other server "
                                      "to copy to: only that, with --force; what only it has: `vcfs storage remove {0} "
                                      "--accept-loss --dry-run`)",
                                      name)});
      continue;
    }
    if (storage.value("draining", false)) {
      findings.push_back({Level::warning, "storage", name + " is being emptied and takes no new files",
                          "`vcfs storage drain " + name + " --cancel` if that is over"});
    }
    judgeSpace(storage, findings);
  }
  const auto files = status.value("files", nlohmann::ordered_json::object());
  const auto degraded = files.value("degraded", std::uint64_t{0});
  if (degraded == 0) {
    findings.push_back({Level::good, "files", "every file has all its copies", ""});
  } else {
    const auto bytes = files.value("bytes_to_go", std::uint64_t{0});
    findings.push_back({Level::warning, "files",
                        fmt::format("{} files lack a copy, {} are to be copied", degraded, humanBytes(bytes)),
                        "bring the missing servers back or add one; `vcfs status` shows the progress"});
  }
  const auto trackers = status.value("trackers", nlohmann::ordered_json::array());
  if (field(status, "coordinator").empty()) {
    findings.push_back({Level::warning, "coordinator", "no tracker is the coordinator", "ask again in ten seconds"});
  } else if (trackers.size() > 1 && field(status, "candidate").empty()) {
    findings.push_back(
        {Level::warning, "coordinator", "no tracker would follow the coordinator", "start a second tracker"});
  }
}

}  // namespace vcfs::cli::doctor
