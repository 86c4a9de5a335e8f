#include "httpd/core/metrics.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "common/base/error.h"

namespace vcfs::httpd {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kCounterEnd = "_total";
constexpr std::string_view kFileStates[] = {"live", "degraded"};  // as the status' `files` has them

// Where the status lists the processes of a role, and what of an item becomes the labels of vcfs_up.
struct Role {
  std::string_view role;
  std::string_view list;
  std::string_view address;
  std::string_view name;
};
constexpr Role kRoles[] = {
    {"tracker", "trackers", "address", ""},
    {"idserver", "idservers", "address", ""},
    {"storage", "storages", "address", "name"},
    {"httpd", "httpds", "address", "host"},
    // The address of a mount has another port after each reconnect: each would be a series of its own.
    {"mount", "mounts", "host", "path"},
};

Json::const_iterator find(const Json& object, std::string_view key) {
  return object.is_object() ? object.find(std::string(key)) : object.end();
}

// Empty when the member is not there or of another kind; so with the next ones.
std::string textOf(const Json& object, std::string_view key) {
  auto found = find(object, key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<std::uint64_t> numberOf(const Json& object, std::string_view key) {
  auto found = find(object, key);
  if (found == object.end()) return std::nullopt;
  if (found->is_boolean()) return found->get<bool>() ? 1 : 0;
  if (found->is_number_unsigned()) return found->get<std::uint64_t>();
  return std::nullopt;
}

const Json& memberOf(const Json& object, std::string_view key) {
  static const Json none;
  auto found = find(object, key);
  return found == object.end() ? none : *found;
}

// What is no list of objects counts as empty.
std::vector<const Json*> listOf(const Json& object, std::string_view key) {
  std::vector<const Json*> items;
  const Json& list = memberOf(object, key);
  if (!list.is_array()) return items;
  for (const Json& item : list) {
    if (item.is_object()) items.push_back(&item);
  }
  return items;
}

void addNumber(Exposition& out, const Metric& metric, const Json& object, std::string_view key, Labels labels = {}) {
  if (auto number = numberOf(object, key)) out.add(metric, *number, labels);
}

void addUp(Exposition& out, const Json& status) {
  for (const Role& role : kRoles) {
    for (const Json* item : listOf(status, role.list)) {
      out.add(kUp, textOf(*item, "state") == "up" ? 1 : 0,
              {{"role", role.role}, {"address", textOf(*item, role.address)}, {"name", textOf(*item, role.name)}});
    }
  }
}

void addTrackers(Exposition& out, const Json& status) {
  for (const Json* tracker : listOf(status, "trackers")) {
    addNumber(out, kCoordinator, *tracker, "coordinator", {{"address", textOf(*tracker, "address")}});
  }
}

void addStorages(Exposition& out, const Json& status) {
  for (const Json* server : listOf(status, "storages")) {
    const std::string name = textOf(*server, "name"), group = textOf(*server, "group");
    for (const Metric& metric : kStorageMetrics) {
      addNumber(out, metric, *server, storageKey(metric), {{"storage", name}, {"group", group}});
    }
  }
}

void addFiles(Exposition& out, const Json& status) {
  const Json& files = memberOf(status, "files");
  for (std::string_view state : kFileStates) addNumber(out, kFiles, files, state, {{"state", state}});
  addNumber(out, kFilesToGo, files, "bytes_to_go");
  addNumber(out, kInodes, files, "inodes");
}

}  // namespace

std::string_view ownKey(const Metric& metric) {
  std::string_view key = metric.name.substr(kOwnPrefix.size());
  if (key.ends_with(kCounterEnd)) key.remove_suffix(kCounterEnd.size());
  return key;
}

std::string_view storageKey(const Metric& metric) { return metric.name.substr(kStoragePrefix.size()); }

std::vector<Metric> allMetrics() {
  std::vector<Metric> all = {kOwnInfo, kReachable, kClusterInfo, kUp, kCoordinator, kFiles, kFilesToGo, kInodes};
  for (const OwnMetric& own : kOwnMetrics) all.push_back(own.metric);
  all.insert(all.end(), kStorageMetrics.begin(), kStorageMetrics.end());
  return all;
}

std::string ownText(const Figures& figures, std::string_view version) {
  Exposition out;
  out.add(kOwnInfo, 1, {{"version", version}});
  for (const OwnMetric& own : kOwnMetrics) out.add(own.metric, own.value(figures));
  return out.text();
}

std::string clusterText(std::string_view text) {
  const Json status = Json::parse(text, nullptr, false);
  if (!status.is_object()) throw Error(Errc::internal, "the tracker's status is not a JSON object");
  Exposition out;
  out.add(kReachable, 1);
  out.add(kClusterInfo, 1,
          {{"cluster", textOf(status, "cluster")},
           {"catalog", textOf(status, "catalog")},
           {"version", textOf(status, "version")}});
  addUp(out, status);
  addTrackers(out, status);
  addStorages(out, status);
  addFiles(out, status);
  return out.text();
}

std::string unreachableText() {
  Exposition out;
  out.add(kReachable, 0);
  return out.text();
}

}  // namespace vcfs::httpd
