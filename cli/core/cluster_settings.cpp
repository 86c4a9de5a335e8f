#include "cli/core/cluster_settings.h"

#include <nlohmann/json.hpp>
#include <set>

#include "cli/core/ports.h"
#include "cli/core/usage_error.h"
#include "common/base/advertise.h"
#include "common/base/error.h"
#include "common/base/ids.h"
#include "common/base/settings.h"

namespace vcfs::cli {
namespace {

constexpr int kVersion = 1;

void inRange(const char* option, int value, int min, int max) {
  if (value < min || value > max) {
    throw UsageError(fmt::format("--{} {}: must be {} … {}", option, value, min, max));
  }
}

void checkCatalog(const ClusterSettings& s) {
  if (s.embeddedCatalog()) {
    if (s.trackers > 1) {
      throw UsageError(
          fmt::format("--trackers {}: several trackers need a database that they can share, and embedded SQLite serves "
                      "one process. "
                      "Add --catalog mariadb://user:password@host:3306/database, or run one tracker",
                      s.trackers));
    }
    if (s.idservers > 1) {
      throw UsageError(
          fmt::format("--idservers {}: several ID servers share a MariaDB catalog. "
                      "Add --catalog mariadb://user:password@host:3306/database, or run one",
                      s.idservers));
    }
    return;
  }
  if (!s.catalog.starts_with("mariadb://") || s.catalog.find('/', 10) == std::string::npos) {
    throw UsageError(
        "--catalog: must be \"sqlite\" or mariadb://user:password@host:port/database (several hosts with commas)");
  }
}

void checkCopies(const ClusterSettings& s) {
  inRange("copies", s.copies, 1, 8);
  int smallest = s.storages / s.groups;
  if (s.copies > smallest) {
    throw UsageError(fmt::format(
        "--copies {}: with --storages {} and --groups {} a group has only {} storage server{}; add storages or ask for "
        "fewer copies",
        s.copies, s.storages, s.groups, smallest, smallest == 1 ? "" : "s"));
  }
}

// Not part of check(): what an older `up` saved can still be stopped.
void checkReachable(const ClusterSettings& s) {
  if (!isWildcard(s.listen)) return;
  throw UsageError("--listen " + s.listen +
                   ": the daemons would be known by it, and nobody can connect to a wildcard. Give the address or name "
                   "of this machine that other hosts reach (`ip -brief address` lists its addresses), or 127.0.0.1 for "
                   "this machine alone");
}

void check(const ClusterSettings& s) {
  inRange("trackers", s.trackers, 1, kMaxTrackers);
  inRange("idservers", s.idservers, 1, kMaxIdServers);
  inRange("storages", s.storages, 1, kMaxStorages);
  inRange("groups", s.groups, 1, kMaxStorages);
  inRange("httpds", s.httpds, 0, kMaxHttpds);
  inRange("port-base", s.portBase, 1024, 65000);
  if (s.groups > s.storages) {
    throw UsageError(fmt::format("--groups {}: there are only {} storage servers, and a group needs one at least",
                                 s.groups, s.storages));
  }
  checkCopies(s);
  checkCatalog(s);
  if (!s.mount.empty() && s.mount.front() != '/') throw UsageError("--mount " + s.mount + ": must be an absolute path");
  if (s.listen.empty() || s.listen.find_first_of(" ,/") != std::string::npos) {
    throw UsageError("--listen " + s.listen + ": must be one address of this machine, without a port");
  }
  for (const auto& option : s.options) parseRoleOption(option);
}

template <class T>
void take(T& value, const std::optional<T>& requested) {
  if (requested) value = *requested;
}

std::string shown(const std::string& text) { return text.empty() ? "none" : text; }
std::string shown(int number) { return std::to_string(number); }

// A catalog's URL holds a password, so it is not repeated in messages.
template <class T>
void sameAsSaved(const char* option, const T& saved, const std::optional<T>& requested, const std::string& dir) {
  if (!requested || *requested == saved) return;
  bool secret = std::string(option) == "catalog";
  throw UsageError(
      fmt::format("--{}{}: the cluster in {} was made with {}. Leave the option out to run it as it is, or make "
                  "another cluster with "
                  "--dir and --port-base of its own",
                  option, secret ? "" : " " + shown(*requested), dir, secret ? "another catalog" : shown(saved)));
}

template <class T>
void sameWhileRunning(const char* option, const T& saved, const std::optional<T>& requested, const std::string& dir) {
  if (!requested || *requested == saved) return;
  throw UsageError(fmt::format("--{} {}: the cluster in {} is running with {}; stop it first (vcfs down --dir {})",
                               option, shown(*requested), dir, shown(saved), dir));
}

ClusterSettings fresh(const RequestedSettings& r) {
  ClusterSettings s;
  take(s.trackers, r.trackers);
  take(s.idservers, r.idservers);
  take(s.storages, r.storages);
  take(s.groups, r.groups);
  take(s.httpds, r.httpds);
  take(s.catalog, r.catalog);
  take(s.listen, r.listen);
  take(s.portBase, r.portBase);
  take(s.mount, r.mount);
  take(s.options, r.options);
  if (s.catalog.starts_with("sqlite:")) {
    throw UsageError("--catalog " + s.catalog +
                     ": the embedded database lies in the cluster's directory; say \"sqlite\"");
  }
  // Fewer servers than the default number of copies: nobody asked for two.
  if (!r.copies && s.groups >= 1) s.copies = std::clamp(s.storages / s.groups, 1, 2);
  take(s.copies, r.copies);
  return s;
}

// As people may write these addresses, too.
std::set<std::string> spellings(const std::vector<std::string>& addresses) {
  std::set<std::string> result;
  for (const std::string& address : addresses) {
    result.insert(address);
    const auto port = address.rfind(':');
    const std::string host = address.substr(0, port);
    if (host == "127.0.0.1" || host == "[::1]") result.insert("localhost" + address.substr(port));
  }
  return result;
}

}  // namespace

std::string loneCopyNote(const ClusterSettings& s) {
  if (s.copies > 1) return "";
  std::string start = "note: a new file has one copy and is lost with its disk. For two ";
  int needed = 2 * s.groups;
  if (s.storages >= needed) return start + "(if nobody did so yet): vcfs group set GROUP --copies 2";
  return start + fmt::format("make another cluster (--dir, --mount, --port-base) with --storages {}: two in each group",
                             needed);
}

ClusterSettings decideSettings(const std::optional<ClusterSettings>& saved, const RequestedSettings& r, Running running,
                               const std::string& dir) {
  if (!saved) {
    ClusterSettings s = fresh(r);
    check(s);
    checkReachable(s);
    return s;
  }
  sameAsSaved("trackers", saved->trackers, r.trackers, dir);
  sameAsSaved("idservers", saved->idservers, r.idservers, dir);
  sameAsSaved("storages", saved->storages, r.storages, dir);
  sameAsSaved("groups", saved->groups, r.groups, dir);
  sameAsSaved("copies", saved->copies, r.copies, dir);
  sameAsSaved("httpds", saved->httpds, r.httpds, dir);
  sameAsSaved("catalog", saved->catalog, r.catalog, dir);
  if (running.any) {
    sameWhileRunning("listen", saved->listen, r.listen, dir);
    sameWhileRunning("port-base", saved->portBase, r.portBase, dir);
  }
  ClusterSettings s = *saved;
  take(s.listen, r.listen);
  take(s.portBase, r.portBase);
  if (r.mount && *r.mount != s.mount) {
    if (running.mounted) {
      throw UsageError(fmt::format("--mount {}: the cluster in {} is mounted at {}; unmount it first (vcfs down)",
                                   shown(*r.mount), dir, s.mount));
    }
    s.mount = *r.mount;
  }
  take(s.options, r.options);
  check(s);
  checkReachable(s);
  return s;
}

RoleOption parseRoleOption(const std::string& text) {
  auto dot = text.find('.');
  auto equals = text.find('=');
  RoleOption option;
  if (dot != std::string::npos && equals != std::string::npos && dot < equals) {
    option = {text.substr(0, dot), text.substr(dot + 1, equals - dot - 1), text.substr(equals + 1)};
  }
  static const std::vector<std::string> roles{"tracker", "idserver", "storage", "httpd", "mount"};
  if (option.name.empty() || std::find(roles.begin(), roles.end(), option.role) == roles.end()) {
    throw UsageError("--option " + text +
                     ": must be ROLE.NAME=VALUE with a role of tracker, idserver, storage, httpd or mount, for example "
                     "storage.reserve=1GiB");
  }
  return option;
}

std::string toJson(const ClusterSettings& s) {
  nlohmann::ordered_json json{{"version", kVersion},     {"trackers", s.trackers}, {"idservers", s.idservers},
                              {"storages", s.storages},  {"groups", s.groups},     {"copies", s.copies},
                              {"httpds", s.httpds},      {"catalog", s.catalog},   {"listen", s.listen},
                              {"port_base", s.portBase}, {"mount", s.mount},       {"options", s.options}};
  return json.dump(2) + "\n";
}

ClusterSettings settingsFromJson(const std::string& text, const std::string& file) {
  try {
    auto json = nlohmann::json::parse(text);
    if (int version = json.at("version").get<int>(); version > kVersion) {
      throw Error(Errc::corrupted,
                  fmt::format("{} is of version {}, this vcfs knows {}: use the newer vcfs", file, version, kVersion));
    }
    ClusterSettings s;
    s.trackers = json.at("trackers");
    s.idservers = json.value("idservers", 1);
    s.storages = json.at("storages");
    s.groups = json.at("groups");
    s.copies = json.at("copies");
    s.httpds = json.at("httpds");
    s.catalog = json.at("catalog");
    s.listen = json.at("listen");
    s.portBase = json.at("port_base");
    s.mount = json.at("mount");
    s.options = json.at("options").get<std::vector<std::string>>();
    check(s);
    return s;
  } catch (const nlohmann::json::exception& e) {
    throw Error(Errc::corrupted,
                fmt::format("{} is damaged ({}): restore it, or write it anew by `vcfs up` with the same "
                            "options after moving it away",
                            file, e.what()));
  } catch (const UsageError& e) {
    throw Error(Errc::corrupted, fmt::format("{}: {}", file, e.what()));
  }
}

std::vector<std::string> trackerAddresses(const ClusterSettings& s) {
  std::vector<std::string> result;
  for (int i = 1; i <= s.trackers; ++i) result.push_back(address(s, trackerPort(s, i)));
  return result;
}

std::string mountSource(const ClusterSettings& s) { return join(trackerAddresses(s)) + ":/"; }

bool isMountSource(const std::string& source, const ClusterSettings& s) {
  if (!source.ends_with(":/")) return false;
  const auto named = trackersOfSource(source);
  const auto own = spellings(trackerAddresses(s));
  return !named.empty() && std::ranges::all_of(named, [&](const std::string& one) { return own.contains(one); });
}

std::vector<std::string> trackersOfSource(const std::string& source) {
  const auto end = source.find(":/");
  if (end == std::string::npos) return {};
  try {
    return parseAddressList(source.substr(0, end), kDefaultTrackerPort);
  } catch (const Error&) {
    return {};
  }
}

bool shareTracker(const std::vector<std::string>& some, const std::vector<std::string>& others) {
  auto in = [](const std::set<std::string>& spelt) {
    return [&spelt](const std::string& one) { return spelt.contains(one); };
  };
  return std::ranges::any_of(some, in(spellings(others))) || std::ranges::any_of(others, in(spellings(some)));
}

std::string join(const std::vector<std::string>& items, const std::string& separator) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : separator) + item;
  return text;
}

}  // namespace vcfs::cli
