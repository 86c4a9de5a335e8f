#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

// What `vcfs doctor` concludes from what it saw. No I/O.
namespace vcfs::cli::doctor {

enum class Level { good, warning, bad };
const char* nameOf(Level level);

struct Finding {
  Level level = Level::good;
  std::string check;   // "clock", "space" …
  std::string what;    // about whom or what, and what is the matter
  std::string remedy;  // what to do; empty when good
};
using Findings = std::vector<Finding>;

// A process that was asked directly.
struct Daemon {
  std::string role;     // "tracker", "storage", "idserver", "httpd"
  std::string name;     // its address, or a storage server's name
  std::string failure;  // why it did not answer; empty: it did
  std::string version;
  std::int64_t clockNs = 0;      // its clock in the middle of the question, minus ours
  std::int64_t roundTripNs = 0;  // of the question: how wrong that can be
  std::string filesystem;        // storage servers: of the recordings
  std::string mountOptions;
  std::map<std::string, std::string> settings;  // as it told; those of an older version tell none
};

void judgeReach(const std::vector<Daemon>& daemons, Findings& findings);
void judgeVersions(const std::vector<Daemon>& daemons, const std::string& own, Findings& findings);
// Leases and times of files rest on clocks that agree within a second.
void judgeClocks(const std::vector<Daemon>& daemons, Findings& findings);
void judgeDisks(const std::vector<Daemon>& daemons, Findings& findings);
// Daemons of one role should agree on all that does not depend on their machine.
void judgeSettings(const std::vector<Daemon>& daemons, Findings& findings);
// From Tracker.status.
void judgeStatus(const nlohmann::ordered_json& status, Findings& findings);

}  // namespace vcfs::cli::doctor
